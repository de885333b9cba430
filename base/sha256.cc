#include "base/sha256.h"

#include <sha2.h>

#include <fstream>
#include <vector>

#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {

struct Sha256::State {
  SHA2_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  SHA256Init(&state_->context);
}
Sha256::~Sha256() = default;

void Sha256::add(std::span<const uint8_t> bytes) {
  SHA256Update(&state_->context, bytes.data(), bytes.size());
}

void Sha256::add(const std::string& text) {
  add(as_bytes(text));
}

std::string Sha256::hex() {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256Final(digest, &state_->context);
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string sha256_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  Sha256 hash;
  std::vector<char> part(1 << 20);
  while (in.read(part.data(), static_cast<std::streamsize>(part.size())), in.gcount() > 0) {
    hash.add({reinterpret_cast<const uint8_t*>(part.data()), static_cast<size_t>(in.gcount())});
  }
  if (!in.eof()) refuse(ErrorCode::io, file.string(), "a file to read", "none that can be read");
  return hash.hex();
}

}  // namespace glm
