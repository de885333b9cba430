// Arithmetic that notices overflow, for every size, offset and count that comes from a file or a request.
#pragma once

#include <cstdint>

namespace glm {

// Each returns false when the exact result doesn't fit; `*result` is then unspecified.
inline bool checked_add(uint64_t a, uint64_t b, uint64_t* result) {
  return !__builtin_add_overflow(a, b, result);
}
inline bool checked_add(int64_t a, int64_t b, int64_t* result) {
  return !__builtin_add_overflow(a, b, result);
}
inline bool checked_multiply(uint64_t a, uint64_t b, uint64_t* result) {
  return !__builtin_mul_overflow(a, b, result);
}

}  // namespace glm
