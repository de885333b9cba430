// Reads JSON from outside: nlohmann-json, with the limits that a stranger's file needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace glm {

// How json_problem() ends what it says of a number that no double can hold.
inline constexpr const char* kNumberTooLarge = "is too large for a number)";

struct JsonLimits {
  int levels = 32;  // of objects and lists within each other
  size_t values = std::numeric_limits<size_t>::max();
};

// Parses `text` into *value. Returns "" when that worked. Otherwise it returns what is wrong with the text: it isn't
// valid UTF-8 JSON, with the line and column where it stops being that; it repeats a key within an object; or it has
// more levels or values than the limits allow.
std::string json_problem(std::string_view text, const JsonLimits& limits, nlohmann::json* value);

// Parses a checkpoint's file. Throws Error(model) naming `source` for what json_problem() finds.
nlohmann::json parse_json(std::string_view text, const std::string& source, int max_depth = 32);

// Reads and parses a file of at most `max_bytes`. Throws Error(model) as above, and when it can't be read.
nlohmann::json read_json(const std::filesystem::path& file, uint64_t max_bytes = 256U << 20U);

// Returns the value as JSON in one line. Bytes that aren't UTF-8 are replaced, because dump() would throw.
std::string json_text(const nlohmann::json& value);
std::string json_text(const nlohmann::ordered_json& value);

// Says whether there is an entry of this name. A link that leads nowhere counts, so that reading it reports the error.
bool is_present(const std::filesystem::path& file);

// Returns the contents of a file of at most `max_bytes`. Throws Error(model) when it is missing, larger or unreadable.
std::string read_file(const std::filesystem::path& file, uint64_t max_bytes);

}  // namespace glm
