#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace glm {

// Computes the SHA-256 of bytes that it is given part by part.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::span<const uint8_t> bytes);
  void add(const std::string& text);
  std::string hex();  // 64 digits; to be called once, at the end

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Computes the name that git gives a file of `size` bytes: the SHA-1 of "blob SIZE", a NUL and the bytes, which it is
// given part by part.
class GitBlobName {
 public:
  explicit GitBlobName(uint64_t size);
  ~GitBlobName();
  GitBlobName(const GitBlobName&) = delete;
  GitBlobName& operator=(const GitBlobName&) = delete;

  void add(std::span<const uint8_t> bytes);
  std::string hex();  // 40 digits; to be called once, at the end

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Returns the SHA-256 of a file's bytes, as sha256sum prints it. Throws Error(io) when the file can't be read.
std::string sha256_of(const std::filesystem::path& file);

}  // namespace glm
