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

  // Returns the ids of a text, at most max_length of them. The id of a UTF-8 byte is the byte + 3. A sequence that
  // isn't valid UTF-8 becomes U+FFFD first. The last id is the end token, which isn't added where the ids end with it
  // already. With parse_special, text that looks like a special token becomes that token's id, and the white space
  // beside it is removed where the file asks for that, as upstream does. Without parse_special such text stays text, as
  // with upstream's split_special_tokens. Throws Error(usage) for max_length 0. Thread safe.
  std::vector<int64_t> encode(std::string_view text, size_t max_length, bool parse_special) const;

  int64_t pad_id() const { return pad_id_; }

 private:
  AddedTokenFinder specials_;
  int64_t pad_id_ = 0;
  int64_t end_id_ = 0;
};

}  // namespace glm
