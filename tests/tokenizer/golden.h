// Where the goldens and the small checkpoints are, and what tests of broken files share.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace glm::test {

using Ids = std::vector<int64_t>;

// "a" (made by make_tiny.py) or "nano" (trained).
std::filesystem::path checkpoint(const std::string& name);

// tests/goldens/tokenizer/<name>.json; throws when it doesn't say what made it.
nlohmann::json golden(const std::string& name);

// The message of the Error(model) that `action` throws; fails the test when it throws none.
std::string refusal(const std::function<void()>& action);

// A file that lives as long as the object.
class ScratchFile {
 public:
  ScratchFile(const std::string& name, const std::string& contents);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace glm::test
