// A copy of the small safety checker, to be changed and loaded.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>

#include "base/json.h"
#include "glm/safety.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/checkpoints.h"
#include "tests/support/reference_picture.h"
#include "tests/support/temporary_folder.h"

namespace glm {

// In the layout of a pipeline's folder, as the build draws it.
class SafetyCopy {
 public:
  SafetyCopy() {
    std::filesystem::copy(checkpoint_folder("safety"), folder_.path(), std::filesystem::copy_options::recursive);
  }

  const std::filesystem::path& path() const { return folder_.path(); }
  std::filesystem::path config() const { return checker() / "config.json"; }
  std::filesystem::path weights() const { return checker() / "model.safetensors"; }
  std::filesystem::path checker() const { return folder_ / "safety_checker"; }
  std::filesystem::path preprocessor() const { return folder_ / "feature_extractor" / "preprocessor_config.json"; }

  // Gives the keys of a json file new values; null takes one away.
  static void change(const std::filesystem::path& file, const nlohmann::json& changes) {
    nlohmann::json content = read_json(file);
    content.merge_patch(changes);
    write_bytes(file, content.dump());
  }
  // Changes one tensor.
  void change_tensor(const std::string& name, const std::function<at::Tensor(const at::Tensor&)>& changed) const {
    rewrite_tensors(weights(), [&](auto& tensors) { tensors.at(name) = changed(tensors.at(name)).contiguous(); });
  }

  SafetyChecker load() const { return SafetyChecker(path(), {.device = test_device_name(), .threads = 1}); }

  // Is it refused, by a message with these parts?
  testing::AssertionResult refuses(const std::vector<std::string>& said) const {
    return refused(ErrorCode::model, said, [&] { load(); });
  }

 private:
  const TemporaryFolder folder_;
};

// Pictures that the small checker flags and doesn't flag: tests/goldens/safety has their scores.
inline Image flagged_picture() {
  return draw_reference({.width = 333, .height = 77, .pattern = 9});
}
inline Image harmless_picture() {
  return draw_reference({.width = 200, .height = 120, .pattern = 1});
}

}  // namespace glm
