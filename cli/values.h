// The values of options, read strictly: CLI11 takes numbers such as 1e3 or nan, and its messages don't say what it
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
std::string path_name(const std::string& option, const std::string& text);  // anything but nothing

// Width and height of "WIDTHxHEIGHT", the width a height of "16:9", "square", "landscape" or "portrait", nothing of
// "auto". Which sizes can be drawn is the engine's business.
struct PictureSize {
  std::optional<int64_t> width, height;
  std::optional<double> aspect;
};
PictureSize picture_size(const std::string& option, const std::string& text);

// "1,2,3" -> seeds from 0, at least one and at most 1024.
std::vector<uint64_t> seed_list(const std::string& option, const std::string& text);

}  // namespace glm::cli
