// Reads the values of options strictly: CLI11 takes numbers such as 1e3 or nan, and its messages don't say what it
// expected. Each function throws Error(usage) that names the option, what it takes and what was found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace glm::cli {

int64_t whole_number(const std::string& option, const std::string& text, int64_t low, int64_t high);
double number(const std::string& option, const std::string& text, double low, double high);
std::string one_of(const std::string& option, const std::string& text, const std::vector<std::string>& choices);
std::string path_name(const std::string& option, const std::string& text);  // any text but the empty one

// What --size says. "WIDTHxHEIGHT" gives width and height; "16:9", "square", "landscape" and "portrait" give the
// aspect, width / height; "auto" gives nothing. The engine checks later which sizes it can draw.
struct PictureSize {
  std::optional<int64_t> width, height;
  std::optional<double> aspect;
};
PictureSize picture_size(const std::string& option, const std::string& text);

// Reads seeds such as "1,2,3": 1 to 1024 of them, each at least 0.
std::vector<uint64_t> seed_list(const std::string& option, const std::string& text);

}  // namespace glm::cli
