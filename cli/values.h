// The values of options, read strictly: CLI11 takes numbers such as 1e3 or nan, and its messages don't say what it
// expected. Each function throws Error(usage) that names the option, what it takes and what was found.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace glm::cli {

int64_t whole_number(const std::string& option, const std::string& text, int64_t low, int64_t high);
double number(const std::string& option, const std::string& text, double low, double high);
std::string one_of(const std::string& option, const std::string& text, const std::vector<std::string>& choices);
std::string path_name(const std::string& option, const std::string& text);  // anything but nothing

// "WIDTHxHEIGHT" -> both, "auto" -> neither. Which sizes can be drawn is the engine's business.
std::pair<std::optional<int64_t>, std::optional<int64_t>> width_height(const std::string& option,
                                                                       const std::string& text);

// "1,2,3" -> seeds from 0, at least one and at most 1024.
std::vector<uint64_t> seed_list(const std::string& option, const std::string& text);

// Error(io) when `file` can't be written as far as can be told without touching it: better before the work than after.
void check_place(const std::filesystem::path& file);

}  // namespace glm::cli
