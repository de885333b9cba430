// Cuts text into the pieces that a regular expression finds.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glm {

// Upstream: tokenizers' Split(Regex(pattern), behavior="isolated"), which uses Oniguruma.
//
// PCRE2 differs from Oniguruma in two places. Its \s also takes U+180E, so we read \s as the property White_Space,
// which is what Oniguruma means by it. Its \p{L} and \p{N} know Unicode 14 (Debian 12), while upstream's know Unicode
// 16: characters that are younger than the installed PCRE2 count as neither letters nor digits here.
class RegexSplitter {
 public:
  // Throws Error(model) naming `source` when the pattern doesn't compile.
  RegexSplitter(const std::string& pattern, std::string source);
  ~RegexSplitter();
  RegexSplitter(RegexSplitter&&) noexcept;
  RegexSplitter& operator=(RegexSplitter&&) noexcept;

  // Returns every match and every stretch between matches, in order. Together they are `text`, which must be valid
  // UTF-8 and outlive them. Throws Error(model) when the pattern needs too many steps for this text. Thread safe.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace glm
