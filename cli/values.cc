#include "cli/values.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <string_view>

#include "base/limits.h"
#include "base/refuse.h"
#include "base/text.h"
#include "base/user_folder.h"
#include "cli/characters.h"
#include "cli/input.h"

namespace glm::cli {

namespace {

// Refuses a value. Long values are cut in the message, so that it stays readable.
[[noreturn]] void refuse_value(const std::string& option, const std::string& expected, const std::string& found) {
  refuse(option, expected, "\"" + shortened(found, 60) + "\"");
}

template <typename Number>
bool read_all(std::string_view text, Number& value) {
  const char* end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

}  // namespace

int64_t whole_number(const std::string& option, const std::string& text, int64_t low, int64_t high) {
  int64_t value = 0;
  if (!read_all(text, value) || value < low || value > high) {
    refuse_value(option, "a whole number from " + std::to_string(low) + " to " + std::to_string(high), text);
  }
  return value;
}

double number(const std::string& option, const std::string& text, double low, double high) {
  double value = 0;
  if (!read_all(text, value) || !(value >= low && value <= high)) {  // a NaN is in no range
    refuse_value(option, "a number from " + number_text(low) + " to " + number_text(high), text);
  }
  return value;
}

std::string one_of(const std::string& option, const std::string& text, const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) == choices.end()) refuse_value(option, listed(choices), text);
  return text;
}

std::string path_name(const std::string& option, const std::string& text) {
  if (text.empty()) refuse_value(option, "a path", text);
  if (text != "~" && !text.starts_with("~/")) return text;
  const std::string home = home_folder();
  if (!home.empty()) return home + text.substr(1);
  refuse(ErrorCode::usage, option, "a path that can be found", "\"" + shortened(text, 60) + "\"",
         "~ means nothing here, because HOME isn't set and the system knows no home folder of this user");
}

std::string model_path(const std::string& option, const std::string& text) {
  const std::string random = "random:";
  if (!text.starts_with(random)) return path_name(option, text);
  return random + path_name(option, text.substr(random.size()));
}

std::string glyph_text(const std::string& option, const std::string& text) {
  if (is_blank(text_of(option, text))) refuse_value(option, "a text to draw", text);
  return text;
}

PictureSize picture_size(const std::string& option, const std::string& text) {
  if (text == "auto") return {};
  const std::map<std::string, std::string> names = {{"square", "1:1"}, {"landscape", "4:3"}, {"portrait", "3:4"}};
  const auto named = names.find(text);
  const std::string_view all = named == names.end() ? text : named->second;
  const size_t by = all.find_first_of("xX:");
  int64_t width = 0;
  int64_t height = 0;
  if (by == std::string::npos || !read_all(all.substr(0, by), width) || !read_all(all.substr(by + 1), height)) {
    refuse_value(option, "WIDTHxHEIGHT such as 1024x768, an aspect such as 16:9, square, landscape, portrait or auto",
                 text);
  }
  if (all[by] != ':') return {.width = width, .height = height, .aspect = {}};
  if (width < 1 || height < 1 || static_cast<double>(width) > limits::kMaxAspect * static_cast<double>(height) ||
      static_cast<double>(height) > limits::kMaxAspect * static_cast<double>(width)) {
    refuse_value(option, "an aspect from 1:16 to 16:1", text);
  }
  return {.width = {}, .height = {}, .aspect = static_cast<double>(width) / static_cast<double>(height)};
}

std::string look_ahead(const std::string& option, const std::string& text) {
  int64_t rows = 0;
  if (text == "auto" || text == "off" || (read_all(text, rows) && rows >= 1 && rows <= 16)) return text;
  refuse_value(option, "auto, off or a whole number from 1 to 16", text);
}

std::optional<uint64_t> seed_or_none(const std::string& option, const std::string& text) {
  uint64_t seed = 0;
  if (text == "-1") return std::nullopt;
  if (!read_all(text, seed)) {
    refuse_value(option, "a whole number from -1 to " + std::to_string(std::numeric_limits<uint64_t>::max()), text);
  }
  return seed;
}

std::string one_list(const std::vector<std::string>& lists) {
  std::string all;
  for (const std::string& list : lists) all += (all.empty() ? "" : ",") + list;
  return all;
}

std::vector<uint64_t> seed_list(const std::string& option, const std::string& text) {
  std::vector<uint64_t> seeds;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    uint64_t seed = 0;
    if (!read_all(std::string_view(text).substr(begin, end - begin), seed) || seeds.size() == limits::kMaxPictures) {
      refuse_value(option,
                   "up to " + std::to_string(limits::kMaxPictures) + " whole numbers from 0 to " +
                       std::to_string(std::numeric_limits<uint64_t>::max()) + " with commas between, such as 1,2,3",
                   text);
    }
    seeds.push_back(seed);
    begin = end + 1;
  }
  return seeds;
}

}  // namespace glm::cli
