#include "tests/engine/cases.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "engine/device.h"
#include "engine/rope.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

// A GPU has to be opened before anything is computed on the CPU.
class DeviceOpener : public testing::Environment {
 public:
  void SetUp() override { open_device(test_device_name()); }
};
const testing::Environment* const kDeviceOpener = testing::AddGlobalTestEnvironment(new DeviceOpener);

}  // namespace

std::string test_device_name() {
  const char* name = std::getenv("GLM_TEST_DEVICE");
  return name != nullptr ? name : "cpu";
}

at::Device test_device() {
  return open_device(test_device_name());
}

std::vector<std::string> golden_cases(const std::function<bool(const Golden&)>& wanted) {
  std::vector<std::string> cases;
  for (const char* checkpoint : {"a", "b", "c", "k", "nano"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(GLM_SOURCE_DIR) / "tests/goldens" / checkpoint)) {
      const std::string name = std::string(checkpoint) + "/" + entry.path().stem().string();
      if (wanted(Golden(name + ".safetensors"))) cases.push_back(name);
    }
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::vector<std::string> float32_cases(const std::vector<std::string>& whole) {
  return golden_cases([&](const Golden& golden) {
    return golden.parameters().at("dtype") == "float32" && golden.has("step0.noise_pred") &&
           std::all_of(whole.begin(), whole.end(), [&](const std::string& name) { return golden.whole(name); });
  });
}

std::vector<std::string> picture_cases() {
  return golden_cases(
      [](const Golden& golden) { return golden.parameters().at("dtype") == "float32" && golden.has("step0.latents"); });
}

std::vector<std::string> bfloat16_cases() {
  return golden_cases([](const Golden& golden) { return golden.parameters().at("dtype") == "bfloat16"; });
}

void rewrite_tensors(const fs::path& file, const std::function<void(std::map<std::string, at::Tensor>&)>& change) {
  std::map<std::string, at::Tensor> tensors;
  {
    const SafetensorsFile stored(file);
    for (const auto& item : stored.tensors()) tensors[item.first] = stored.tensor(item.first).clone();
  }
  change(tensors);
  write_safetensors(file, tensors, {});
}

at::Tensor StageTest::forced_logits(const Tap& tap) const {
  const at::Tensor ids = golden.tensor("ar.in.input_ids");
  const at::Tensor tokens = golden.tensor("ar.generated");
  const at::Tensor grids = grid_positions(ids.size(1), {preview_grid(grid()), grid()});
  DecodeState state = model.prior.start(1, at::cat({prompt_positions(ids.size(1)), grids}, -1));
  std::vector<at::Tensor> logits = {model.prior.prefill(ids, state, tap)};
  for (int64_t i = 0; i + 1 < tokens.size(1); ++i) {
    state.token.copy_(tokens.select(1, i));
    logits.push_back(model.prior.step(state));
  }
  return at::stack(logits, 1).cpu();
}

}  // namespace glm
