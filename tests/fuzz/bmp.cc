#include "tests/fuzz/picture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return decode("BM", std::vector<uint8_t>(data, data + size));
}
