// Tokens by the CUDA kernels' bodies on the host: whole passes, as a GPU is told to compute them.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint/weights.h"
#include "engine/run/prior.h"
#include "glm/error.h"
#include "tests/kernels/host_library.h"
#include "tests/support/checkpoints.h"

namespace glm {
namespace {

// A checkpoint's prior, packed for the kernels. Its codes stay codes, and other weights get the format.
class PackedPrior {
 public:
  explicit PackedPrior(const std::string& name, cuda::Format format = cuda::Format::bf16, bool as_numbers = false)
      : folder_(folder_of(name)),
        config_(folder_),
        prior_(as_numbers ? weights().changed(unchanged) : weights(), config_.prior,
               {.packing = format, .decode = true}) {}

  PriorRequest request(Rng rng = Rng::cuda) const {
    return {.ids = at::arange(3, 12, at::kLong).unsqueeze(0),
            .preview = {.height = 2, .width = 2},
            .target = {.height = 2, .width = 4},
            .sampling = {.temperature = config_.generation.temperature,
                         .top_p = config_.generation.top_p,
                         .top_k = config_.generation.top_k},
            .rng = rng,
            .seed = 3};
  }

  WrittenTokens by_kernels(const std::vector<PriorRequest>& requests, int64_t rows) const {
    return generate_tokens(prior_, config_, requests, {.rows = rows, .library = &host_library()});
  }
  // Writes the tokens by the kernels of the CPU, with dense weights.
  WrittenTokens on_host(const std::vector<PriorRequest>& requests) const {
    return generate_tokens(on_the_host(), config_, requests, {.rows = 1});
  }
  PriorTransformer on_the_host() const { return {weights(), config_.prior}; }
  const ModelConfig& config() const { return config_; }
  const PriorTransformer& prior() const { return prior_; }

 private:
  // Under a change, codes are handed out as numbers.
  static at::Tensor unchanged(const std::string& /*name*/, const at::Tensor& weight) { return weight; }
  static std::filesystem::path folder_of(const std::string& name) {
    const std::filesystem::path sources = GLM_SOURCE_DIR;
    if (name == "nano") return sources / "models/nano";
    return name.starts_with("q_") ? sources / "tests/data/quantised" / name : checkpoint_folder(name);
  }
  Weights weights() const { return Weights(folder_ / "vision_language_encoder", at::kBFloat16); }

  std::filesystem::path folder_;
  ModelConfig config_;
  PriorTransformer prior_;
};

class TokensOfBodies : public testing::TestWithParam<const char*> {
 protected:
  c10::InferenceMode inference_;
};

TEST_P(TokensOfBodies, AreTheHostsInAnyNumberOfRows) {
  const PackedPrior prior(GetParam());
  std::vector<PriorRequest> one = {prior.request()};
  // Seed 3 draws a number that a rounding brings to the other side of q_sdnq's eighth token.
  if (std::string(GetParam()).starts_with("q_")) one[0].seed = 4;
  const at::Tensor expected = prior.on_host(one).tokens[0];
  const uint64_t before = host_library().launches(cuda::Kernel::linear);
  for (const int64_t rows : {1, 5, 0}) {
    const WrittenTokens written = prior.by_kernels(one, rows);
    EXPECT_TRUE(at::equal(written.tokens[0], expected)) << rows << "\n" << written.tokens[0] << expected;
    EXPECT_LE(written.passes, rows == 1 ? expected.size(1) : expected.size(1) - 1);
  }
  EXPECT_GT(host_library().launches(cuda::Kernel::linear), before) << "the kernels wrote none";
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, TokensOfBodies, testing::Values("a", "b", "k", "nano", "q_autoround", "q_sdnq"),
                         [](const auto& name) { return std::string(name.param); });

// The kernels add the numbers of codes in the order in which they add those of bf16.
TEST(CodedTokensOfBodies, AreThoseOfTheSameNumbersInBf16) {
  const c10::InferenceMode inference;
  for (const char* name : {"q_autoround", "q_sdnq"}) {
    const PackedPrior coded(name);
    const PackedPrior numbers(name, cuda::Format::bf16, /*as_numbers=*/true);
    EXPECT_FALSE(cuda::row_of(numbers.prior().layers()[0].down.packed()[0].format).coded);
    for (const uint64_t seed : {1, 2}) {
      std::vector<PriorRequest> one = {coded.request()};
      one[0].seed = seed;
      EXPECT_TRUE(at::equal(coded.by_kernels(one, 1).tokens[0], numbers.by_kernels(one, 1).tokens[0])) << name;
    }
  }
}

// A prompt is fed with the numbers that the kernels then compute with.
TEST(CodedPriorOfBodies, HasTheNumbersOfTheCheckpoint) {
  const c10::InferenceMode inference;
  for (const char* name : {"q_autoround", "q_sdnq"}) {
    const PackedPrior packed(name);
    const PriorTransformer plain = packed.on_the_host();
    bool several = false;
    for (size_t i = 0; i < plain.layers().size(); ++i) {
      const PriorLayer& ours = packed.prior().layers()[i];
      const PriorLayer& right = plain.layers()[i];
      const auto same = [](const Linear& a, const Linear& b, int64_t in) {
        const at::Tensor each = at::eye(in, at::kBFloat16);
        return at::equal(a.forward(each), b.forward(each));
      };
      const PriorConfig& c = packed.config().prior;
      EXPECT_TRUE(same(ours.attention.qkv, right.attention.qkv, c.dim)) << name << " " << i;
      EXPECT_TRUE(same(ours.attention.output, right.attention.output, c.heads * c.head_dim)) << name << " " << i;
      EXPECT_TRUE(same(ours.gate_up, right.gate_up, c.dim)) << name << " " << i;
      EXPECT_TRUE(same(ours.down, right.down, c.inner_dim)) << name << " " << i;
      for (const cuda::PackedWeight& weight : ours.gate_up.packed()) {
        EXPECT_TRUE(cuda::row_of(weight.format).coded) << name;
      }
      several = several || ours.attention.qkv.packed().size() > 1;
    }
    EXPECT_EQ(several, std::string(name) == "q_sdnq") << "q, k and v in several formats";
    EXPECT_EQ(packed.prior().head().packed()[0].format, cuda::Format::bf16) << "the head is no codes";
  }
}

TEST(QuantisedTokensOfBodies, AreTheSameInAnyNumberOfRows) {
  const c10::InferenceMode inference;
  for (const cuda::Format format : {cuda::Format::fp8, cuda::Format::int8, cuda::Format::int4}) {
    const PackedPrior prior("k", format);
    std::vector<PriorRequest> one = {prior.request()};
    one[0].target = {.height = 1, .width = 2};
    const at::Tensor expected = prior.by_kernels(one, 1).tokens[0];
    EXPECT_TRUE(at::equal(prior.by_kernels(one, 9).tokens[0], expected)) << cuda::row_of(format).name;
  }
}

// Pictures of several sizes end at different times, and some of them before their grid is full.
TEST(SeveralPicturesOfBodies, HaveTheTokensThatEachHasAlone) {
  const c10::InferenceMode inference;
  const PackedPrior prior("a");
  for (const bool early : {false, true}) {
    const Rng rng = early ? Rng::cpu : Rng::cuda;
    std::vector<PriorRequest> requests(3, prior.request(rng));
    requests[1].target = {.height = 3, .width = 5};
    requests[1].ids = at::arange(7, 9, at::kLong).unsqueeze(0);
    for (size_t i = 0; i < requests.size(); ++i) {
      requests[i].seed = 11 * i;
      requests[i].allow_early_stop = early;
      requests[i].sampling.temperature = 3;
      requests[i].sampling.top_p = 1;
    }
    std::vector<at::Tensor> alone;
    for (const PriorRequest& request : requests) alone.push_back(prior.by_kernels({request}, 1).tokens[0]);
    const std::vector<at::Tensor> by_host = prior.on_host(requests).tokens;
    for (const int64_t rows : {1, 3, 0}) {
      const WrittenTokens together = prior.by_kernels(requests, rows);
      for (size_t i = 0; i < alone.size(); ++i) {
        EXPECT_TRUE(at::equal(together.tokens[i], alone[i])) << rows << " rows, picture " << i;
        EXPECT_EQ(alone[i].size(1), by_host[i].size(1)) << i;
      }
    }
  }
}

TEST(GreedyTokensOfBodies, AreTheHosts) {
  const c10::InferenceMode inference;
  const PackedPrior prior("b");
  std::vector<PriorRequest> one = {prior.request()};
  one[0].sampling.greedy = true;
  for (const int64_t rows : {1, 4}) {
    EXPECT_TRUE(at::equal(prior.by_kernels(one, rows).tokens[0], prior.on_host(one).tokens[0])) << rows;
  }
}

TEST(CancelledTokensOfBodies, EndBeforeTheNextPass) {
  const c10::InferenceMode inference;
  const PackedPrior prior("a");
  int64_t told = -1;
  int64_t polls = 0;
  const WriteOptions options{.rows = 2,
                             .done = [&](int64_t done, int64_t) { told = done; },
                             .poll =
                                 [&] {
                                   if (++polls == 3) throw Error(ErrorCode::cancelled, "cancelled");
                                 },
                             .library = &host_library()};
  EXPECT_THROW(generate_tokens(prior.prior(), prior.config(), {prior.request()}, options), Error);
  EXPECT_GE(told, 1);
  EXPECT_LE(told, 5);
}

}  // namespace
}  // namespace glm
