#include "tests/tokenizer/golden.h"

#include <unistd.h>

#include <fstream>

#include "base/error.h"
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

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::model) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected a refusal";
  return {};
}

ScratchFile::ScratchFile(const std::string& name, const std::string& contents)
    : path_(fs::temp_directory_path() / ("glm-" + std::to_string(getpid()) + "-" + name)) {
  std::ofstream(path_, std::ios::binary) << contents;
}

ScratchFile::~ScratchFile() {
  std::error_code ignored;
  fs::remove(path_, ignored);
}

}  // namespace glm::test
