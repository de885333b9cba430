#include "pictures/orientation_texts.h"

#include <zlib.h>

#include <new>

#include "base/text.h"

namespace glm {
namespace {

constexpr std::string_view kExif = "Raw profile type exif";
constexpr std::string_view kXmp = "XML:com.adobe.xmp";
constexpr size_t kMostText = 1 << 20;  // bytes of an inflated text; PIL's limit
constexpr int kMostTexts = 16;         // each costs up to a millisecond

// Takes what stands before the next NUL, and the NUL, off `text`.
std::string_view take_word(std::string_view* text) {
  const std::string_view word = text->substr(0, text->find('\0'));
  text->remove_prefix(std::min(word.size() + 1, text->size()));
  return word;
}

// Returns the inflated text, or nothing when it is broken or too long.
std::string inflated(std::string_view data) {
  std::string text(kMostText, '\0');
  uLongf size = text.size();
  const auto* const from = reinterpret_cast<const Bytef*>(data.data());
  if (uncompress(reinterpret_cast<Bytef*>(text.data()), &size, from, data.size()) != Z_OK) size = 0;
  text.resize(size);
  return text;
}

// Returns the text of a chunk whose keyword has been taken off, or nothing.
std::string text_of(std::string_view chunk, std::string_view rest) {
  if (chunk == "tEXt") return std::string(rest);
  if (chunk == "zTXt") return rest.empty() || rest[0] != 0 ? "" : inflated(rest.substr(1));
  if (rest.size() < 2) return "";
  const bool compressed = rest[0] != 0;
  if (compressed && rest[1] != 0) return "";
  rest.remove_prefix(2);
  take_word(&rest);  // the language
  take_word(&rest);  // the keyword in that language
  return compressed ? inflated(rest) : std::string(rest);
}

int hexadecimal(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

// Returns the bytes of a profile as ImageMagick writes it: two lines, one of them with the length, and hexadecimal
// digits.
std::vector<uint8_t> profile_of(std::string_view text) {
  for (int i = 0; i < 3; ++i) {
    const size_t line = text.find('\n');
    if (line == std::string_view::npos) return {};
    text.remove_prefix(line + 1);
  }
  std::vector<uint8_t> bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = hexadecimal(c);
    if (digit < 0) continue;
    if (high >= 0) bytes.push_back(static_cast<uint8_t>(high << 4 | digit));
    high = high >= 0 ? -1 : digit;
  }
  return bytes;
}

}  // namespace

bool OrientationTexts::take(std::string_view name, std::span<const uint8_t> data) noexcept {
  try {
    read(name, as_text(data));
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void OrientationTexts::read(std::string_view name, std::string_view data) {
  if (name == "eXIf") {
    has_chunk_ = true;
    const std::span<const uint8_t> bytes = as_bytes(data);
    chunk_.assign(bytes.begin(), bytes.end());
  }
  if (name != "tEXt" && name != "zTXt" && name != "iTXt") return;
  const std::string_view keyword = take_word(&data);
  if ((keyword != kExif && keyword != kXmp) || ++texts_ > kMostTexts) return;
  const std::string text = text_of(name, data);
  if (keyword == kXmp) {
    xmp_ = text;
  } else {
    text_ = profile_of(text);
  }
}

}  // namespace glm
