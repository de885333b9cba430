// Random numbers, bit for bit torch's; the CUDA ones without a card.
#include "kernels/random.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "tests/engine/cases.h"

namespace glm {
namespace {

using LatentStage = StageTest;

TEST_P(LatentStage, InitialLatentsAreBitEqual) {
  EXPECT_TRUE(golden.bytes_equal(
      "latents.init",
      RandomNumbers::of(golden.request().rng, golden.parameters().at("seed")).normal(latent_shape(), model.dtype)));
}

INSTANTIATE_TEST_SUITE_P(Upstream, LatentStage, testing::ValuesIn(picture_cases()), case_name);

class RandomStream : public testing::TestWithParam<std::string> {
 protected:
  const Golden& golden = Golden::of("random.safetensors");
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

const auto kSeeds = testing::Values("0", "42", "4294967303", "9223372036854775807");
const auto kSeedName = [](const auto& seed) { return "seed" + seed.param; };

INSTANTIATE_TEST_SUITE_P(Upstream, RandomStream, kSeeds, kSeedName);

class CudaStream : public testing::TestWithParam<std::string> {
 protected:
  const Golden& golden = Golden::of("random_cuda.safetensors");
  std::string prefix = "seed" + GetParam() + ".";
  uint64_t seed = std::stoull(GetParam());
};

TEST_P(CudaStream, NormalIsTheCards) {
  for (const int64_t n : {16, 4096, 262'144, 270'336 + 5, 1'048'576}) {
    const std::string size = std::to_string(n);
    EXPECT_TRUE(golden.bytes_equal(prefix + "randn.f32." + size, CudaRandom(seed).normal({n}, at::kFloat)));
    EXPECT_TRUE(golden.bytes_equal(prefix + "randn.bf16." + size, CudaRandom(seed).normal({n}, at::kBFloat16)));
  }
}

TEST_P(CudaStream, ExponentialIsTheCardsAndGoesOn) {
  for (const int64_t n : {1152, 16512}) {
    CudaRandom random(seed);
    for (int draw = 0; draw < 3; ++draw) {
      EXPECT_TRUE(golden.bytes_equal(prefix + "exponential." + std::to_string(n) + "." + std::to_string(draw),
                                     random.exponential({n})));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Reference, CudaStream, kSeeds, kSeedName);

// What torch prints on a card for torch.manual_seed(0); torch.randn(24, device="cuda").
TEST(CudaRandomNumbers, BeginAsACardPrintsThem) {
  const std::vector<double> printed = {-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284,
                                       -1.0745, -0.3631, -1.6711, 2.2655, 0.3117,  -0.1842, 1.2866,  1.1820,
                                       -0.1271, 1.2169,  1.4353,  1.0605, -0.4941, -1.4244, -0.7244, -1.2973};
  const at::Tensor drawn = CudaRandom(0).normal({24}, at::kFloat);
  for (int64_t i = 0; i < 24; ++i) EXPECT_NEAR(drawn[i].item<double>(), printed[i], 6e-5) << i;
}

TEST(CudaRandomNumbers, AllBitsOfTheSeedCount) {
  const uint64_t more = (uint64_t{1} << 32) + 7;
  EXPECT_FALSE(at::equal(CudaRandom(7).normal({16}, at::kFloat), CudaRandom(more).normal({16}, at::kFloat)));
  EXPECT_TRUE(at::equal(CpuRandom(7).normal({16}, at::kFloat), CpuRandom(more).normal({16}, at::kFloat)));
}

TEST(CudaRandomNumbers, ACallMovesOnByItsTurns) {
  constexpr int64_t threads = 132 * 2048;
  const at::Tensor turns = CudaRandom(5).normal({4 * threads + 3}, at::kFloat);  // two: four words a thread each
  CudaRandom random(5);
  EXPECT_TRUE(at::equal(random.normal({threads}, at::kFloat), turns.slice(0, 0, threads)));
  EXPECT_TRUE(at::equal(random.normal({3}, at::kFloat), turns.slice(0, 4 * threads)));
  CudaRandom after(5);
  after.normal({4 * threads + 3}, at::kFloat);
  random.normal({0}, at::kFloat);  // nothing drawn, nothing moved
  EXPECT_TRUE(at::equal(random.exponential({1152}), after.exponential({1152})));
}

TEST(CudaRandomNumbers, ShapesAreRowMajor) {
  EXPECT_TRUE(
      at::equal(CudaRandom(3).normal({2, 3, 50}, at::kFloat).flatten(), CudaRandom(3).normal({300}, at::kFloat)));
}

TEST(CudaRandomNumbers, RefusesDouble) {
  EXPECT_THROW(CudaRandom(0).normal({4}, at::kDouble), c10::Error);
}

class EitherStream : public testing::TestWithParam<Rng> {};

TEST_P(EitherStream, IsTheOneAskedFor) {
  RandomNumbers either = RandomNumbers::of(GetParam(), 11);
  CpuRandom cpu(11);
  CudaRandom cuda(11);
  const bool on_cpu = GetParam() == Rng::cpu;
  const auto expect_equal = [](const at::Tensor& a, const at::Tensor& b) { EXPECT_TRUE(at::equal(a, b)); };
  expect_equal(either.exponential({40}), on_cpu ? cpu.exponential({40}) : cuda.exponential({40}));
  expect_equal(either.normal({40}, at::kBFloat16),
               on_cpu ? cpu.normal({40}, at::kBFloat16) : cuda.normal({40}, at::kBFloat16));
}

TEST_P(EitherStream, HasTheMomentsOfItsDistributions) {
  RandomNumbers random = RandomNumbers::of(GetParam(), 2026);
  const at::Tensor normal = random.normal({1'000'000}, at::kFloat).to(at::kDouble);
  EXPECT_NEAR(normal.mean().item<double>(), 0, 0.005);  // five standard errors each
  EXPECT_NEAR(normal.var().item<double>(), 1, 0.007);
  EXPECT_NEAR(normal.pow(4).mean().item<double>(), 3, 0.05);
  EXPECT_NEAR((normal.slice(0, 1) * normal.slice(0, 0, -1)).mean().item<double>(), 0, 0.005);
  const at::Tensor exponential = random.exponential({1'000'000}).to(at::kDouble);
  EXPECT_NEAR(exponential.mean().item<double>(), 1, 0.005);
  EXPECT_NEAR(exponential.var().item<double>(), 1, 0.015);
  EXPECT_GT(exponential.min().item<double>(), 0);
}

TEST_P(EitherStream, DoesNotDependOnTheNumberOfThreads) {
  const int before = at::get_num_threads();
  std::vector<at::Tensor> drawn;
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    RandomNumbers random = RandomNumbers::of(GetParam(), 8);
    drawn.push_back(at::cat({random.normal({300'000}, at::kFloat), random.exponential({16512})}));
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(drawn[0], drawn[1]));
}

INSTANTIATE_TEST_SUITE_P(Streams, EitherStream, testing::Values(Rng::cpu, Rng::cuda),
                         [](const auto& rng) { return rng.param == Rng::cpu ? "cpu" : "cuda"; });

}  // namespace
}  // namespace glm
