// Where the goldens and the small checkpoints are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace glm::test {

using Ids = std::vector<int64_t>;

// "a" (made by make_tiny.py) or "nano" (trained).
std::filesystem::path checkpoint(const std::string& name);

// tests/goldens/tokenizer/<name>.json; throws when it doesn't say what made it.
nlohmann::json golden(const std::string& name);

}  // namespace glm::test
