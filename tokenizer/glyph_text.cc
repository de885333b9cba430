#include "tokenizer/glyph_text.h"

#include <algorithm>
#include <utility>

#include "tokenizer/utf8.h"

namespace glm {

namespace {

// Finds what re.findall("open([^open close]*)close") finds: an opener with another opener before its closer is skipped.
void find_between(std::string_view text, std::string_view open, std::string_view close,
                  std::vector<std::string>* found) {
  for (size_t first = text.find(open); first != std::string_view::npos;) {
    const size_t end = text.find(close, first + open.size());
    if (end == std::string_view::npos) return;
    const size_t begin = (open == close ? first : text.rfind(open, end)) + open.size();
    found->emplace_back(text.substr(begin, end - begin));
    first = text.find(open, end + close.size());
  }
}

// A mark that opens a quotation, and those that may close it. “…” is here because it is read and “…“ isn't.
struct Marks {
  std::string_view open;
  std::vector<std::string_view> close;
};

const std::vector<Marks>& marks() {
  static const std::vector<Marks> all = {
      {"„", {"“", "”", "„"}}, {"‚", {"‘", "’"}}, {"«", {"»"}},      {"»", {"«", "»"}},    {"‹", {"›"}},
      {"›", {"‹", "›"}},      {"‘", {"’", "‘"}}, {"“", {"“", "”"}}, {"”", {"”"}},         {"‟", {"”"}},
      {"『", {"』"}},         {"《", {"》"}},    {"〈", {"〉"}},    {"〝", {"〞", "〟"}}, {"｢", {"｣"}},
      {"﹁", {"﹂"}},         {"﹃", {"﹄"}},    {"＂", {"＂"}},    {"＇", {"＇"}},       {"`", {"`", "'"}}};
  return all;
}

// Returns the quotation that opens at `at`, from mark to mark, and its text; both are empty where none does.
std::pair<std::string_view, std::string_view> quotation_at(std::string_view text, size_t at) {
  for (const Marks& kind : marks()) {
    if (!text.substr(at).starts_with(kind.open)) continue;
    const size_t begin = at + kind.open.size();
    size_t end = std::string_view::npos;
    size_t length = 0;
    for (const std::string_view close : kind.close) {
      const size_t found = text.find(close, begin);
      if (found >= end) continue;
      end = found;
      length = close.size();
    }
    if (end == std::string_view::npos) continue;
    // As above, an opener with another opener before its closer is skipped.
    const size_t last = text.substr(0, end).rfind(kind.open);
    const std::string_view inside = text.substr(last + kind.open.size(), end - last - kind.open.size());
    const bool is_sign = inside.starts_with(' ') && kind.open != "«" && kind.open != "‹";  // 5 » 3; French has spaces
    if (last >= begin - kind.open.size() && !inside.empty() && !is_sign) {
      return {text.substr(at, end + length - at), inside};
    }
  }
  return {};
}

}  // namespace

std::vector<std::string> find_unread_texts(std::string_view prompt) {
  const std::string text = repair_utf8(prompt);
  const std::vector<std::string> read = find_glyph_texts(prompt);
  std::vector<std::string> unread;
  for (size_t at = 0; at < text.size();) {
    const auto [whole, inside] = quotation_at(text, at);
    const auto has = [part = inside](const std::string& one) { return one.find(part) != std::string::npos; };
    if (!whole.empty() && std::none_of(read.begin(), read.end(), has)) unread.emplace_back(inside);
    at += std::max<size_t>(whole.size(), 1);
  }
  return unread;
}

std::vector<std::string> find_glyph_texts(std::string_view prompt) {
  const std::string text = repair_utf8(prompt);
  std::vector<std::string> found;
  const std::pair<std::string_view, std::string_view> kinds[] = {{"'", "'"}, {"“", "”"}, {"\"", "\""}, {"「", "」"}};
  for (const auto& [open, close] : kinds) find_between(text, open, close, &found);
  return found;
}

GlyphIds glyph_ids(const ByteTokenizer& tokenizer, std::vector<std::string> texts, bool parse_special,
                   size_t max_length) {
  if (texts.empty()) texts.emplace_back();
  GlyphIds ids;
  for (const std::string& text : texts) {
    ids.texts.push_back(tokenizer.encode(text, max_length, parse_special));
    // Upstream: [pad] * ((len(input_ids) + 1) % 2), where input_ids is the list of all rows.
    if (texts.size() % 2 == 0) ids.texts.back().insert(ids.texts.back().begin(), tokenizer.pad_id());
  }
  return ids;
}

GlyphIds glyph_ids(const ByteTokenizer& tokenizer, std::string_view prompt, bool parse_special, size_t max_length) {
  return glyph_ids(tokenizer, find_glyph_texts(prompt), parse_special, max_length);
}

}  // namespace glm
