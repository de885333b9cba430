// Tables of the numbers that codes stand for (code_bodies.h), for lanes that pick from them by themselves.
#pragma once

#include <stdint.h>

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

// kLevels: 16, whose codes are two in a byte, or 32, whose codes are bytes. The numbers are bf16.
template <int kLevels>
class Bf16Table {
 public:
  explicit Bf16Table(const float* numbers) : numbers_(numbers) {}  // they must outlive the table

  // Writes the numbers of 32 codes.
  void pick_32(const uint8_t* codes, float* to) const {
    if constexpr (kLevels == 16) {
      store(to, pick_of_16(numbers_, codes));
      store(to + kLanes, pick_of_16(numbers_, codes + kLanes / 2));
    } else {
      store(to, pick_of_32(numbers_, codes));
      store(to + kLanes, pick_of_32(numbers_, codes + kLanes));
    }
  }

 private:
  const float* numbers_;
};

}  // namespace
}  // namespace glm::host
