#include <zlib.h>

#include "tests/fuzz/picture.h"

namespace {

uint32_t big_endian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) << 24 | static_cast<uint32_t>(bytes[1]) << 16 |
         static_cast<uint32_t>(bytes[2]) << 8 | bytes[3];
}

// A changed chunk gets the checksum that it needs to be read at all.
void mend_checksums(std::vector<uint8_t>* bytes) {
  for (size_t at = 8; bytes->size() >= 12 && at <= bytes->size() - 12;) {
    const uint64_t size = big_endian(&(*bytes)[at]);
    if (size > bytes->size() - 12 - at) return;
    uint8_t* chunk = &(*bytes)[at + 4];
    const uLong sum = crc32(0, chunk, static_cast<uInt>(size + 4));
    for (int i = 0; i < 4; ++i) chunk[size + 4 + static_cast<uint64_t>(i)] = static_cast<uint8_t>(sum >> (24 - 8 * i));
    at += size + 12;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint8_t> bytes(data, data + size);
  mend_checksums(&bytes);
  return decode("\x89PNG\r\n\x1a\n", std::move(bytes));
}
