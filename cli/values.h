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

// Any text but the empty one. "~" and "~/…" are the user's home folder, as in a shell: no shell has seen what stands in
// a file.
std::string path_name(const std::string& option, const std::string& text);
std::string model_path(const std::string& option, const std::string& text);  // a path, or random: before one

// A text to be drawn, which has to be in UTF-8 and more than blanks.
std::string glyph_text(const std::string& option, const std::string& text);

// What --size says. "WIDTHxHEIGHT" gives width and height; "16:9", "square", "landscape" and "portrait" give the
// aspect, width / height; "auto" gives nothing. The engine checks later which sizes it can draw.
struct PictureSize {
  std::optional<int64_t> width, height;
  std::optional<double> aspect;
};
PictureSize picture_size(const std::string& option, const std::string& text);

// What --look-ahead takes: auto, off, or a whole number from 1 to 16.
std::string look_ahead(const std::string& option, const std::string& text);

// Reads a seed from 0 to 2^64-1, or nothing for "-1".
std::optional<uint64_t> seed_or_none(const std::string& option, const std::string& text);

// Joins lists: "1,2" and "3" become "1,2,3".
std::string one_list(const std::vector<std::string>& lists);

// Reads seeds such as "1,2,3": 1 to 1024 of them, each from 0 to 2^64-1.
std::vector<uint64_t> seed_list(const std::string& option, const std::string& text);

}  // namespace glm::cli
