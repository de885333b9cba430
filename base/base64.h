// Base64 (RFC 4648), by the C library.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glm {

std::string base64(std::span<const uint8_t> bytes);

// Returns the bytes that `text` stands for, or nothing when it isn't base64. White space in it doesn't count.
std::optional<std::vector<uint8_t>> base64_bytes(std::string_view text);

}  // namespace glm
