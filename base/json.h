// JSON text from outside: nlohmann-json with the limits a file from a stranger needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace glm {

// Parses `text`. Throws Error(model) naming `source` when it isn't valid UTF-8 JSON, repeats a key within an
// object, or nests more than `max_depth` objects and lists.
nlohmann::json parse_json(std::string_view text, const std::string& source, int max_depth = 32);

// Reads and parses a file of at most `max_bytes`. Throws Error(model) as above, and when it can't be read.
nlohmann::json read_json(const std::filesystem::path& file, uint64_t max_bytes = 256U << 20U);

// In one line; what isn't UTF-8 is replaced, for dump() would throw.
std::string json_text(const nlohmann::json& value);

// Is there an entry of this name? A link that leads nowhere counts: reading it says so.
bool is_present(const std::filesystem::path& file);

// The whole of a file of at most `max_bytes`. Throws Error(model) when it is missing, larger or unreadable.
std::string read_file(const std::filesystem::path& file, uint64_t max_bytes);

}  // namespace glm
