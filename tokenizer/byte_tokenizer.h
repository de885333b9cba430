// The glyph encoder's tokens: bytes.
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
  // Reads the special tokens from added_tokens_decoder. Throws Error(model) naming the file and what is
  // wrong.
  explicit ByteTokenizer(const std::filesystem::path& tokenizer_config_json);

  // Each UTF-8 byte + 3 (invalid sequences count as U+FFFD), then the end token unless the ids already end
  // with it, cut to max_length >= 1 ids including it. parse_special: text that looks like a special token
  // becomes its id and takes the white space beside it along where the file says so, as upstream does;
  // otherwise it stays text, as with upstream's split_special_tokens. Thread safe.
  std::vector<int64_t> encode(std::string_view text, size_t max_length, bool parse_special) const;

  int64_t pad_id() const { return pad_id_; }

 private:
  AddedTokenFinder specials_;
  int64_t pad_id_ = 0;
  int64_t end_id_ = 0;
};

}  // namespace glm
