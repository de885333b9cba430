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

}  // namespace

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
