// Cuts text into the pieces a regular expression finds.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glm {

// Upstream: tokenizers' Split(Regex(pattern), behavior="isolated"), which uses Oniguruma.
//
// PCRE2 differs from it in two places. Its \s also takes U+180E: we read \s as the property White_Space,
// which is what Oniguruma means by it. Its \p{L} and \p{N} know Unicode 14 (Debian 12), upstream's Unicode
// 16: characters that are younger than the installed PCRE2 count as neither letter nor digit here.
class RegexSplitter {
 public:
  // Throws Error(model) naming `source` when the pattern doesn't compile.
  RegexSplitter(const std::string& pattern, std::string source);
  ~RegexSplitter();
  RegexSplitter(RegexSplitter&&) noexcept;
  RegexSplitter& operator=(RegexSplitter&&) noexcept;

  // Every match and every stretch between matches, in order; together they are `text`, which must be valid
  // UTF-8. Throws Error(model) when the pattern needs too many steps for a text. Thread safe.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace glm
