// Reads and checks tokenizer.json. Everything that this program doesn't support is refused here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace glm {

// A byte-level BPE tokenizer. Pieces are written in GPT-2's alphabet: one printable character for each byte.
// Upstream: tokenizers' Tokenizer.from_file, with models.BPE and pre_tokenizers.ByteLevel.
struct TokenizerFile {
  struct Merge {
    std::string token;  // the result
    size_t split;       // where its left part ends, in bytes
  };

  std::string pattern;                                  // regular expression that cuts the text into words
  bool ignore_merges = false;                           // a word that is in the vocabulary as a whole is one token
  std::unordered_map<std::string, int64_t> vocabulary;  // ids are distinct
  std::vector<Merge> merges;                 // earlier ones come first; parts and results are in the vocabulary
  std::vector<AddedToken> added;             // found in the text as they stand
  std::vector<AddedToken> added_normalized;  // found in the text that `added` leaves
};

// Throws Error(model) naming the file and what is wrong with it.
TokenizerFile read_tokenizer_file(const std::filesystem::path& file);

// Returns the 256 characters (UTF-8) that stand for the bytes 0 to 255. Upstream: tokenizers' bytes_char().
const std::vector<std::string>& byte_alphabet();

}  // namespace glm
