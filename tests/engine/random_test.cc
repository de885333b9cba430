// Room 5: random numbers, bit for bit torch's.
#include "engine/random.h"

#include <ATen/ATen.h>

#include "tests/engine/cases.h"

namespace glm {
namespace {

using LatentStage = StageTest;

TEST_P(LatentStage, InitialLatentsAreBitEqual) {
  EXPECT_TRUE(golden.bytes_equal("latents.init",
                                 CpuRandom(golden.parameters().at("seed")).normal(latent_shape(), model.dtype)));
}

INSTANTIATE_TEST_SUITE_P(Upstream, LatentStage, testing::ValuesIn(float32_cases()), case_name);

class RandomStream : public testing::TestWithParam<std::string> {
 protected:
  Golden golden{"random.safetensors"};
  std::string prefix = "seed" + GetParam() + ".";
  uint64_t seed = std::stoull(GetParam());
};

TEST_P(RandomStream, NormalIsTorchs) {
  for (const int64_t n : {16, 4096}) {
    EXPECT_TRUE(golden.bytes_equal(prefix + "randn.f32." + std::to_string(n), CpuRandom(seed).normal({n}, at::kFloat)));
    EXPECT_TRUE(
        golden.bytes_equal(prefix + "randn.bf16." + std::to_string(n), CpuRandom(seed).normal({n}, at::kBFloat16)));
  }
}

TEST_P(RandomStream, ExponentialIsTorchsAndGoesOn) {
  CpuRandom random(seed);
  EXPECT_TRUE(golden.bytes_equal(prefix + "exponential.0", random.exponential({1152})));
  EXPECT_TRUE(golden.bytes_equal(prefix + "exponential.1", random.exponential({1152})));
}

TEST_P(RandomStream, TheRaceDrawsTorchsMultinomial) {
  CpuRandom random(seed);
  const at::Tensor p = golden.tensor("multinomial.p");
  std::vector<int64_t> drawn;
  for (int i = 0; i < 8; ++i) drawn.push_back((p / random.exponential(p.sizes())).argmax(-1).item<int64_t>());
  EXPECT_TRUE(golden.bytes_equal(prefix + "multinomial", at::tensor(drawn, at::kLong)));
}

INSTANTIATE_TEST_SUITE_P(Upstream, RandomStream, testing::Values("0", "42", "4294967303", "9223372036854775807"),
                         [](const auto& seed) { return "seed" + seed.param; });

}  // namespace
}  // namespace glm
