#include "base/text.h"

#include <cstdio>

namespace glm {
namespace {

std::string formatted(const char* format, double number) {
  char text[400];  // the longest double has 309 digits
  std::snprintf(text, sizeof text, format, number);
  return text;
}

}  // namespace

std::string number_text(double number) {
  return formatted("%g", number);
}

std::string size_text(int64_t width, int64_t height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

std::string gigabytes_text(double bytes) {
  return formatted(bytes < 1e10 ? "%.2f GB" : "%.0f GB", bytes / 1e9);
}

std::string listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    list += (list.empty() ? "" : &name == &names.back() ? " or " : ", ") + name;
  }
  return list;
}

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

size_t whole_characters(std::string_view text, size_t most) {
  if (text.size() <= most) return text.size();
  size_t end = most;  // a character has at most three bytes behind its first
  while (end > 0 && end + 4 > most && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return end;
}

std::string shortened(const std::string& text, size_t most) {
  return text.size() <= most ? text : text.substr(0, whole_characters(text, most)) + "...";
}

}  // namespace glm
