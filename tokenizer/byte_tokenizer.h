// The glyph encoder's tokenizer: each byte is a token.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace glm {

// Upstream: transformers ByT5Tokenizer.
class ByteTokenizer {
 public:
  // Reads the special tokens from added_tokens_decoder. Throws Error(model) naming the file and what is wrong.
  explicit ByteTokenizer(const std::filesystem::path& tokenizer_config_json);

  // Returns at most max_length >= 1 ids: each UTF-8 byte + 3, where invalid sequences count as U+FFFD, then the end
  // token unless the ids end with it already. With parse_special, text that looks like a special token becomes its id,
  // and white space beside it goes where the file says so, as upstream does. Without it such text stays text, as with
  // upstream's split_special_tokens. Throws Error(usage) for max_length 0. Thread safe.
  std::vector<int64_t> encode(std::string_view text, size_t max_length, bool parse_special) const;

  int64_t pad_id() const { return pad_id_; }

 private:
  AddedTokenFinder specials_;
  int64_t pad_id_ = 0;
  int64_t end_id_ = 0;
};

}  // namespace glm
