#include "tests/tokenizer/golden.h"

#include "base/json.h"

namespace glm::test {

namespace fs = std::filesystem;

fs::path checkpoint(const std::string& name) {
  const fs::path root = GLM_SOURCE_DIR;
  return name == "nano" ? root / "models" / "nano" : root / "tests" / "checkpoints" / name;
}

nlohmann::json golden(const std::string& name) {
  nlohmann::json file = read_json(fs::path(GLM_SOURCE_DIR) / "tests" / "goldens" / "tokenizer" / (name + ".json"));
  file.at("meta").at("made_by");
  file.at("meta").at("versions").at("tokenizers");
  return file;
}

}  // namespace glm::test
