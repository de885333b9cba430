#include "tokenizer/regex_splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <utility>

#include "glm/error.h"

namespace glm {

namespace {

constexpr uint32_t kMatchLimit = 50'000'000;  // backtracking steps; 1 MB of spaces takes 1,000,000

struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string pcre2_message(int error) {
  PCRE2_UCHAR buffer[256];
  return pcre2_get_error_message(error, buffer, sizeof buffer) > 0 ? reinterpret_cast<const char*>(buffer)
                                                                   : std::to_string(error);
}

// Replaces \s and \S by the property White_Space, which may stand inside a character class as they may.
std::string with_upstreams_spaces(const std::string& pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '\\' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      out += "\\p{White_Space}";
    } else if (escaped == 'S') {
      out += "\\P{White_Space}";
    } else {
      out.append({'\\', escaped});
    }
  }
  return out;
}

}  // namespace

struct RegexSplitter::Code {
  std::string source;
  std::unique_ptr<pcre2_code, Free> code;
  std::unique_ptr<pcre2_match_context, Free> context;

  // Looks for the next match from `start`; the ends of the match are then in `data`.
  bool search(std::string_view text, size_t start, pcre2_match_data* data) const;
};

bool RegexSplitter::Code::search(std::string_view text, size_t start, pcre2_match_data* data) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  // The caller has repaired the text. PCRE2 would check the whole rest of it again at every call.
  int found = pcre2_match(code.get(), subject, text.size(), start, PCRE2_NO_UTF_CHECK, data, context.get());
  if (found == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter keeps its stack on the heap
    found =
        pcre2_match(code.get(), subject, text.size(), start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, context.get());
  }
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) {
    throw Error(ErrorCode::model,
                source + ": the splitting pattern fails on this text (" + pcre2_message(found) + "); shorten the text");
  }
  return true;
}

RegexSplitter::RegexSplitter(const std::string& pattern, std::string source)
    : code_(std::make_unique<Code>(Code{std::move(source), nullptr, nullptr})) {
  const std::string translated = with_upstreams_spaces(pattern);
  int error = 0;
  size_t offset = 0;
  code_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                  PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
  code_->context.reset(pcre2_match_context_create(nullptr));
  if (!code_->code || !code_->context) {
    throw Error(ErrorCode::model, code_->source + ": the splitting pattern \"" + pattern + "\" is not supported (" +
                                      pcre2_message(error) + ")");
  }
  pcre2_set_match_limit(code_->context.get(), kMatchLimit);
  pcre2_jit_compile(code_->code.get(), PCRE2_JIT_COMPLETE);  // where it isn't available the interpreter runs
}

RegexSplitter::~RegexSplitter() = default;
RegexSplitter::RegexSplitter(RegexSplitter&&) noexcept = default;
RegexSplitter& RegexSplitter::operator=(RegexSplitter&&) noexcept = default;

std::vector<std::string_view> RegexSplitter::split(std::string_view text) const {
  std::unique_ptr<pcre2_match_data, Free> data(pcre2_match_data_create(1, nullptr));
  if (!data) throw std::bad_alloc();
  std::vector<std::string_view> pieces;
  size_t done = 0;  // everything before this is in `pieces`
  auto take_until = [&](size_t end) {
    if (end > done) pieces.push_back(text.substr(done, end - done));
    done = end;
  };
  for (size_t from = 0; from < text.size() && code_->search(text, from, data.get());) {
    const size_t* match = pcre2_get_ovector_pointer(data.get());
    if (match[0] < from || match[1] < match[0]) {  // \K in a lookaround can do that
      throw Error(ErrorCode::model, code_->source + ": the splitting pattern matches backwards");
    }
    take_until(match[0]);
    take_until(match[1]);
    from = match[1];
    if (match[0] == match[1]) {  // an empty match: go on at the next character
      do ++from;
      while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80);
    }
  }
  take_until(text.size());
  return pieces;
}

}  // namespace glm
