#include "tests/fuzz/picture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  if (size >= 12) std::copy_n("WEBP", 4, &bytes[8]);
  return decode("RIFF", std::move(bytes));
}
