#include "cli/values.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/error.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

// Long values are cut, so that a message stays one to read.
[[noreturn]] void fail(const std::string& option, const std::string& expected, const std::string& found) {
  const std::string shown = found.size() <= 60 ? found : found.substr(0, 60) + "...";
  throw Error(ErrorCode::usage, option + ": expected " + expected + ", found \"" + shown + "\"");
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
    fail(option, "a whole number from " + std::to_string(low) + " to " + std::to_string(high), text);
  }
  return value;
}

double number(const std::string& option, const std::string& text, double low, double high) {
  double value = 0;
  if (!read_all(text, value) || !(value >= low && value <= high)) {  // a NaN is in no range
    std::string range(64, '\0');
    range.resize(static_cast<size_t>(std::snprintf(range.data(), range.size(), "a number from %g to %g", low, high)));
    fail(option, range, text);
  }
  return value;
}

std::string one_of(const std::string& option, const std::string& text, const std::vector<std::string>& choices) {
  std::string expected;
  for (const std::string& choice : choices) {
    if (text == choice) return text;
    expected += (expected.empty() ? "" : &choice == &choices.back() ? " or " : ", ") + choice;
  }
  fail(option, expected, text);
}

std::string path_name(const std::string& option, const std::string& text) {
  if (text.empty()) fail(option, "a path", text);
  return text;
}

std::pair<std::optional<int64_t>, std::optional<int64_t>> width_height(const std::string& option,
                                                                       const std::string& text) {
  if (text == "auto") return {};
  const size_t by = text.find_first_of("xX");
  int64_t width = 0;
  int64_t height = 0;
  const std::string_view all = text;
  if (by == std::string::npos || !read_all(all.substr(0, by), width) || !read_all(all.substr(by + 1), height)) {
    fail(option, "WIDTHxHEIGHT such as 1024x768, or auto", text);
  }
  return {width, height};
}

std::vector<uint64_t> seed_list(const std::string& option, const std::string& text) {
  std::vector<uint64_t> seeds;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    int64_t seed = 0;
    if (!read_all(std::string_view(text).substr(begin, end - begin), seed) || seed < 0 || seeds.size() == 1024) {
      fail(option, "up to 1024 whole numbers from 0 with commas between, such as 1,2,3", text);
    }
    seeds.push_back(static_cast<uint64_t>(seed));
    begin = end + 1;
  }
  return seeds;
}

void check_place(const fs::path& file) {
  std::error_code ignored;
  if (fs::is_directory(file, ignored)) {
    throw Error(ErrorCode::io, file.string() + ": expected a file to write, found a folder");
  }
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, ignored)) {
    throw Error(ErrorCode::io,
                file.string() + ": can't be written, there is no folder " + folder.string() + "; make it first");
  }
  // A device or a pipe is written itself; a file is replaced, which needs its folder.
  const fs::path written = fs::exists(file, ignored) && !fs::is_regular_file(file, ignored) ? file : folder;
  if (::access(written.c_str(), W_OK) != 0) {
    throw Error(ErrorCode::io,
                file.string() + ": can't be written (" + std::strerror(errno) + "); choose another place");
  }
}

}  // namespace glm::cli
