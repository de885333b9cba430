// Bytes as text (RFC 4648), for terminals and JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace glm::cli {

std::string base64(std::span<const uint8_t> bytes);

}  // namespace glm::cli
