#include "kernels/sampling.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/support/golden.h"

namespace glm {
namespace {

// Upstream's warpers on rows with ties at every edge.
TEST(Sampling, ProcessedScoresAreUpstreams) {
  const Golden golden("sampling.safetensors");
  for (const auto& [rows, settings] : golden.header().at("settings").items()) {
    const at::Tensor logits = golden.tensor(rows + ".logits");
    for (size_t i = 0; i < settings.size(); ++i) {
      const SamplingOptions options{.temperature = settings[i]["temperature"],
                                    .top_p = settings[i]["top_p"],
                                    .top_k = settings[i]["top_k"],
                                    .greedy = false};
      EXPECT_TRUE(
          golden.bytes_equal(rows + ".setting" + std::to_string(i) + ".scores", process_logits(logits, options)))
          << settings[i];
    }
  }
}

at::Tensor row(std::vector<double> values) {
  return at::tensor(values, at::kFloat).unsqueeze(0);
}
at::Tensor ones(int64_t n) {
  return at::ones({1, n});
}

TEST(Sampling, GreedyTakesTheLowestOfEqualIds) {
  EXPECT_EQ(sample(row({1, 5, 5, 2}), {}, 4, {.greedy = true}).item<int64_t>(), 1);
}

TEST(Sampling, GreedyStaysLegal) {
  EXPECT_EQ(sample(row({1, 2, 3, 9}), {}, 3, {.greedy = true}).item<int64_t>(), 2);
}

TEST(Sampling, TheRaceGoesToTheSmallestExponential) {
  EXPECT_EQ(sample(row({0, 0, 0, 0}), row({1, 0.5, 0.1, 2}), 4, {}).item<int64_t>(), 2);
  EXPECT_EQ(sample(row({0, 0, 0, 0}), ones(4), 4, {}).item<int64_t>(), 0) << "a tie goes to the lowest id";
}

// The nucleus is upstream's: an illegal id keeps its place in it and only loses its probability.
TEST(Sampling, IllegalIdsAreMaskedAfterTheNucleus) {
  // Masses 0.33, 0.12, 0, 0.55: the nucleus of 0.8 is ids 3 and 0. Without id 3 it would be ids 0 and 1.
  const at::Tensor logits = row({1, 0, -10, 1.5});
  const SamplingOptions options{.temperature = 1, .top_p = 0.8, .top_k = 0, .greedy = false};
  EXPECT_EQ(sample(logits, row({1, 1e-9, 1e-9, 1}), 3, options).item<int64_t>(), 0)
      << "ids 1 and 2 are not in upstream's nucleus";
  EXPECT_EQ(sample(logits, ones(4), 4, options).item<int64_t>(), 3) << "all are legal here";
}

TEST(Sampling, WithNothingLegalLeftTopPIsDoneAgainOverLegalIds) {
  const at::Tensor logits = row({1, 3, -10, 30});
  const SamplingOptions options{.temperature = 1, .top_p = 0.75, .top_k = 0, .greedy = false};
  EXPECT_EQ(sample(logits, row({1e-9, 1, 1e-9, 1}), 3, options).item<int64_t>(), 1)
      << "of the legal ids the nucleus is id 1 alone";
}

TEST(Sampling, RowsAreIndependent) {
  const at::Tensor both = at::cat({row({0, 9, 0}), row({9, 0, 0})});
  EXPECT_TRUE(at::equal(sample(both, at::ones({2, 3}), 3, {.top_p = 0.5}), at::tensor({1, 0}, at::kLong)));
}

}  // namespace
}  // namespace glm
