// The golden cases, and what the stage tests share.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/components/layers/tap.h"
#include "engine/run/model.h"
#include "engine/run/prior.h"
#include "glm/pipeline.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_folder.h"

namespace glm {

// What the tests compute on: GLM_TEST_DEVICE, or the CPU. Tensors of tests are on the CPU; components take them from
// there, and what is compared comes back.
std::string test_device_name();
at::Device test_device();

// The smallest checkpoint, and a request of it: 128 x 160 pixels with two texts, in two steps.
std::filesystem::path checkpoint_a();
Request small_request(std::vector<uint64_t> seeds);

// The goldens of pipeline runs that `wanted` takes, as "checkpoint/case" in order. cases_test.cc counts them.
std::vector<std::string> golden_cases(const std::function<bool(const Golden&)>& wanted);

// fp32 runs with every stage's tensors; the ones of those that hold the whole of these tensors.
std::vector<std::string> float32_cases(const std::vector<std::string>& whole = {});
std::vector<std::string> bfloat16_cases();
// The float32_cases that start from pictures.
std::vector<std::string> reference_cases();
// fp32 runs that hold what comes out of the stages; with the cases of the card's stream, which hold no more.
std::vector<std::string> picture_cases();

// The golden's checkpoint; where the case has min_pixels of its own, links to it in `folder` around a preprocessor with
// them.
std::filesystem::path checkpoint_of(const Golden& golden, const TemporaryFolder& folder);

// The model of its checkpoint in this dtype, read once in a process. Enter InferenceMode before.
const Model& model_of(const Golden& golden, const std::string& dtype);

// Changes tensors of a safetensors file in place.
void rewrite_tensors(const std::filesystem::path& file,
                     const std::function<void(std::map<std::string, at::Tensor>&)>& change);

inline std::string case_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '/' ? '_' : c;
  return name;
}

// A stage test: a golden, and the model it was made with.
class StageTest : public testing::TestWithParam<std::string> {
 protected:
  explicit StageTest(const std::string& dtype = "float32")
      : golden(Golden::of(GetParam() + ".safetensors")), model(model_of(golden, dtype)) {}

  Grid grid() const {
    const int64_t cell = model.config.cell();
    return {golden.parameters().at("height").get<int64_t>() / cell,
            golden.parameters().at("width").get<int64_t>() / cell};
  }
  bool has_references() const { return golden.parameters().contains("references"); }
  Grid preview() const { return has_references() ? Grid{0, 0} : preview_grid(grid()); }
  std::vector<Grid> sources() const;  // the references' grids, upstream's
  at::Tensor prompt_ids() const;      // upstream's, with the references' tokens in their places: i64 [1, L]
  // Of each reference i64 [1, h * w], upstream's.
  std::vector<at::Tensor> source_ids() const;
  // Of each reference [1, C, h, w]: upstream's where the golden holds the whole, else ours.
  std::vector<at::Tensor> source_means() const;
  // Of each reference, made from the two above. Taps: dit.write{i}.*
  std::vector<Condition> conditions(const Tap& tap) const;

  std::vector<int64_t> latent_shape() const { return model.config.latent_shape(grid()); }

  // A tap that keeps everything in `seen`.
  Tap tap() {
    return {[this](const std::string& name, const at::Tensor& value) {
              seen.insert_or_assign(name, value.cpu().contiguous().clone());
            },
            Tap::Level::full};
  }
  // What upstream's prior was asked.
  PriorRequest prior_request() const;
  // Logits of every position by our CPU kernels, fed as forced_logits() is, so many rows in a pass: fp32 [1, n, V].
  at::Tensor host_logits(int64_t rows) const;
  // Logits of every step, fed with upstream's ids and tokens: [1, n, V], on the CPU.
  at::Tensor forced_logits(const Tap& tap) const;

  // Each golden tensor whose name starts with `prefix` and that was tapped. Returns how many there were.
  int compare_seen(const std::string& prefix, tolerance::Bound bound) const {
    int compared = 0;
    for (const std::string& name : golden.names()) {
      if (!name.starts_with(prefix) || !seen.contains(name)) continue;
      EXPECT_TRUE(golden.matches(name, seen.at(name), bound));
      ++compared;
    }
    return compared;
  }

  c10::InferenceMode inference;
  const Golden& golden;
  const Model& model;
  std::map<std::string, at::Tensor> seen;
};

}  // namespace glm
