// FNV-1a of 64 bits: the same number in every build, for names and for seeds. It is no protection against an attacker.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace glm {

inline uint64_t fnv1a64(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

// The same as 16 hexadecimal digits.
inline std::string fnv1a64_digits(std::string_view bytes) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(fnv1a64(bytes)));
  return digits;
}

}  // namespace glm
