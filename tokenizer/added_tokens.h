// Added tokens: they are found in the text itself, before it is cut into pieces.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glm {

struct AddedToken {
  std::string content;
  int64_t id = 0;
  bool lstrip = false;  // swallows the white space on its left
  bool rstrip = false;  // swallows the white space on its right
};

// Upstream: the Aho-Corasick automaton of tokenizers' AddedVocabulary (leftmost, then longest), and
// transformers' Trie, which finds the same.
class AddedTokenFinder {
 public:
  // The contents are distinct and not empty.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  struct Match {
    size_t begin;
    size_t end;
    const AddedToken* token;  // lives as long as the finder
  };
  // Returns the first match in `text` that starts at or after `from`; the longest, if several start at one place.
  std::optional<Match> find(std::string_view text, size_t from) const;

  const std::vector<AddedToken>& tokens() const { return tokens_; }

 private:
  const AddedToken* longest_prefix(std::string_view text) const;

  std::vector<AddedToken> tokens_;        // sorted by content
  std::array<bool, 256> starts_token_{};  // by byte
};

}  // namespace glm
