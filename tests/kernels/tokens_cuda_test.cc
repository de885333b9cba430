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

// A checkpoint's prior in bf16, packed for the kernels.
class PackedPrior {
 public:
  explicit PackedPrior(const std::string& name, cuda::Format format = cuda::Format::bf16)
      : folder_(name == "nano" ? std::filesystem::path(GLM_SOURCE_DIR) / "models/nano" : checkpoint_folder(name)),
        config_(folder_),
        prior_(weights(), config_.prior, {.packing = format, .decode = true}) {}

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
    return generate_tokens(PriorTransformer(weights(), config_.prior), config_, requests, {.rows = 1});
  }
  const ModelConfig& config() const { return config_; }
  const PriorTransformer& prior() const { return prior_; }

 private:
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
  const std::vector<PriorRequest> one = {prior.request()};
  const at::Tensor expected = prior.on_host(one).tokens[0];
  const uint64_t before = host_library().launches(cuda::Kernel::linear);
  for (const int64_t rows : {1, 5, 0}) {
    const WrittenTokens written = prior.by_kernels(one, rows);
    EXPECT_TRUE(at::equal(written.tokens[0], expected)) << rows << "\n" << written.tokens[0] << expected;
    EXPECT_LE(written.passes, rows == 1 ? expected.size(1) : expected.size(1) - 1);
  }
  EXPECT_GT(host_library().launches(cuda::Kernel::linear), before) << "the kernels wrote none";
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, TokensOfBodies, testing::Values("a", "b", "k", "nano"),
                         [](const auto& name) { return std::string(name.param); });

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
