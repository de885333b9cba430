#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "tokenizer/glyph_text.h"
#include "tokenizer/utf8.h"

namespace glm {
namespace {

using View = std::string_view;

constexpr size_t kMostBytes = 1 << 13;  // more than people write

// A mark that opens a quotation, and the marks that close it. “…” is in the table although find_glyph_texts() reads it,
// because it doesn't read “…“.
struct Marks {
  View open;
  std::vector<View> close;
  bool is_plain = false;  // what opens it stands in words and behind numbers, too
};

const std::vector<Marks>& marks() {
  static const std::vector<Marks> all = {
      {"„", {"“", "”", "„"}}, {"‚", {"‘", "’"}}, {"«", {"»"}},         {"»", {"«", "»"}},  {"‹", {"›"}},
      {"›", {"‹", "›"}},      {"‘", {"’", "‘"}}, {"“", {"“", "”"}},    {"”", {"”"}},       {"‟", {"”", "‟"}},
      {"‛", {"’", "‛"}},      {"『", {"』"}},    {"「", {"」"}},       {"《", {"》"}},     {"〈", {"〉"}},
      {"【", {"】"}},         {"〖", {"〗"}},    {"〝", {"〞", "〟"}}, {"｢", {"｣"}},       {"﹁", {"﹂"}},
      {"﹃", {"﹄"}},         {"＂", {"＂"}},    {"＇", {"＇"}},       {"❝", {"❞"}},       {"❛", {"❜"}},
      {"`", {"`", "'"}},      {"´", {"´", "`"}}, {"″", {"″"}, true},   {"′", {"′"}, true}, {"\"", {"\""}, true},
      {"'", {"'"}, true}};
  return all;
}

// People mix up the marks of a row: one of them may open a text, and another one close it.
constexpr std::array<View, 8> kDouble = {"\"", "“", "”", "„", "«", "»", "″", "❞"};
constexpr std::array<View, 6> kSingle = {"'", "‘", "’", "‚", "‹", "›"};

// These marks begin a text even where nothing closes it. The others may be apostrophes or signs.
constexpr std::array<View, 9> kClear = {"\"", "“", "„", "«", "「", "『", "《", "【", "❝"};

template <size_t count>
bool has(const std::array<View, count>& all, View mark) {
  return std::find(all.begin(), all.end(), mark) != all.end();
}

// Says whether a byte belongs to a letter or a digit. Characters of three bytes and more don't count: these are marks,
// and scripts that write no spaces.
bool is_letter(char byte) {
  const auto c = static_cast<unsigned char>(byte);
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= 0xC2 && c < 0xE0);
}

// Says whether the character before this place is a letter or a digit.
bool follows_letter(View text, size_t at) {
  if (at == 0) return false;
  const bool two_bytes = at > 1 && (text[at - 1] & 0xC0) == 0x80;
  return is_letter(text[at - (two_bytes ? 2 : 1)]);
}

struct Found {
  size_t at = View::npos;
  size_t length = 0;
};

// Returns the first of these marks from `from` on, except `but`. at_end: passes over marks with a letter behind them,
// because these are apostrophes.
template <typename Views>
Found first_of(View text, size_t from, const Views& all, View but, bool at_end) {
  Found first;
  for (const View mark : all) {
    if (mark == but) continue;
    size_t at = text.find(mark, from);
    while (at_end && at != View::npos && at + mark.size() < text.size() && is_letter(text[at + mark.size()])) {
      at = text.find(mark, at + 1);
    }
    if (at < first.at) first = {at, mark.size()};
  }
  return first;
}

// Returns the first mark of another kind that may close what `open` opens.
Found other_end(View text, size_t from, View open) {
  if (has(kDouble, open)) return first_of(text, from, kDouble, open, /*at_end=*/true);
  if (has(kSingle, open)) return first_of(text, from, kSingle, open, /*at_end=*/true);
  return {};
}

// A quotation from mark to mark, and its text.
struct Quotation {
  View whole, inside;
};

// Returns the quotation that begins at `at`. If none begins there, both of its parts are empty.
Quotation quotation_at(View text, size_t at) {
  const auto kind = std::find_if(marks().begin(), marks().end(),
                                 [rest = text.substr(at)](const Marks& m) { return rest.starts_with(m.open); });
  if (kind == marks().end()) return {};
  const bool in_word = follows_letter(text, at);
  if (kind->is_plain && in_word) return {};
  const size_t begin = at + kind->open.size();
  Found end = first_of(text, begin, kind->close, "", /*at_end=*/kind->open == "'" || kind->open == "‘");
  if (end.at == View::npos && !in_word) end = other_end(text, begin, kind->open);
  const bool closed = end.at != View::npos;
  if (!closed && (in_word || !has(kClear, kind->open))) return {};
  if (!closed) end.at = std::min(text.find('\n', begin), text.size());
  // As find_glyph_texts() does: an opener with another opener before its end is skipped.
  const bool skipped = text.substr(0, end.at).rfind(kind->open) != at;
  const View inside = text.substr(begin, end.at - begin);
  const bool french = kind->open == "«" || kind->open == "‹";                                    // has spaces inside
  if (skipped || inside.empty() || (inside.starts_with(' ') && !(french && closed))) return {};  // 5 » 3
  return {text.substr(at, end.at + end.length - at), inside};
}

}  // namespace

std::vector<std::string> find_unread_texts(View prompt) {
  const std::string repaired = repair_utf8(prompt.substr(0, whole_characters(prompt, kMostBytes)));
  const View text = repaired;
  const std::vector<std::string> read = find_glyph_texts(text);
  std::vector<std::string> unread;
  for (size_t at = 0; at < text.size();) {
    const auto [whole, inside] = quotation_at(text, at);
    const auto holds = [part = inside](const std::string& one) { return one.find(part) != std::string::npos; };
    if (!whole.empty() && std::none_of(read.begin(), read.end(), holds)) unread.emplace_back(inside);
    at += std::max<size_t>(whole.size(), 1);
  }
  return unread;
}

}  // namespace glm
