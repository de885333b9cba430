// Looks at the numbers of a safetensors file while its bytes pass by.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/checkpoint/file_scan.h"
#include "engine/checkpoint/safetensors.h"

namespace glm {

// The widest number has so many bytes. So many of the bytes before a block have to stand before it in memory.
inline constexpr uint64_t kWidestNumber = 8;

class NumberWatch {
 public:
  explicit NumberWatch(const SafetensorsFile& file);

  // Looks at the numbers that end in the next `count` bytes of the file. Blocks come in the file's order.
  void see(const char* bytes, uint64_t count);

  std::map<std::string, ScannedTensor> result() const;

 private:
  struct Place {
    std::string name;
    at::ScalarType dtype;
    uint64_t begin, end;  // bytes of the file
    ScannedTensor seen;
    bool has_values = false;  // it holds scales or zeros
    uint64_t most = 0;        // the bits of the largest magnitude
  };
  static void see_values(Place& place, const char* bytes, uint64_t count);
  static void see_numbers(Place& place, const char* bytes, uint64_t begin, uint64_t end);

  std::vector<Place> places_;  // in the file's order
  size_t next_ = 0;            // the first one that isn't done
  uint64_t offset_ = 0;        // bytes of the file that were seen
};

}  // namespace glm
