#include "tokenizer/added_tokens.h"

#include <algorithm>

namespace glm {

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (const AddedToken& token : tokens_) starts_token_[static_cast<uint8_t>(token.content[0])] = true;
}

std::optional<AddedTokenFinder::Match> AddedTokenFinder::find(std::string_view text, size_t from) const {
  for (size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_token_[static_cast<uint8_t>(text[begin])]) continue;
    if (const AddedToken* token = longest_prefix(text.substr(begin))) {
      return Match{begin, begin + token->content.size(), token};
    }
  }
  return std::nullopt;
}

// Tokens that share the first `depth` bytes of `text` lie side by side in sorted order. The loop narrows that range
// byte by byte. A token that ends at `depth` comes first in it.
const AddedToken* AddedTokenFinder::longest_prefix(std::string_view text) const {
  const AddedToken* longest = nullptr;
  auto low = tokens_.begin();
  auto high = tokens_.end();
  for (size_t depth = 0; low != high; ++depth) {
    if (low->content.size() == depth) longest = &*low++;
    if (depth == text.size()) break;
    const auto byte = static_cast<uint8_t>(text[depth]);
    auto at_depth = [depth](const AddedToken& token) { return static_cast<uint8_t>(token.content[depth]); };
    low = std::lower_bound(low, high, byte, [&](const AddedToken& token, uint8_t b) { return at_depth(token) < b; });
    high = std::upper_bound(low, high, byte, [&](uint8_t b, const AddedToken& token) { return b < at_depth(token); });
  }
  return longest;
}

}  // namespace glm
