// EVP_DigestInit() reads configuration files of the host and keeps global state; these functions do neither.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/sha256.h"

#include <openssl/sha.h>

#include <fstream>
#include <vector>

#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {
namespace {

std::string hex_of(std::span<const uint8_t> digest) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

}  // namespace

struct Sha256::State {
  SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  SHA256_Init(&state_->context);
}
Sha256::~Sha256() = default;

void Sha256::add(std::span<const uint8_t> bytes) {
  SHA256_Update(&state_->context, bytes.data(), bytes.size());
}

void Sha256::add(const std::string& text) {
  add(as_bytes(text));
}

std::string Sha256::hex() {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256_Final(digest, &state_->context);
  return hex_of(digest);
}

struct GitBlobName::State {
  SHA_CTX context;
};

GitBlobName::GitBlobName(uint64_t size) : state_(std::make_unique<State>()) {
  SHA1_Init(&state_->context);
  const std::string header = "blob " + std::to_string(size);
  SHA1_Update(&state_->context, header.c_str(), header.size() + 1);
}
GitBlobName::~GitBlobName() = default;

void GitBlobName::add(std::span<const uint8_t> bytes) {
  SHA1_Update(&state_->context, bytes.data(), bytes.size());
}

std::string GitBlobName::hex() {
  uint8_t digest[SHA_DIGEST_LENGTH];
  SHA1_Final(digest, &state_->context);
  return hex_of(digest);
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
