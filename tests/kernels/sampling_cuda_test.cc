// kernels/cuda/sampling.cuh, run on the host.
// clang-format off
#include "tests/kernels/simt_host.h"  // before the bodies
#include "kernels/cuda/sampling.cuh"
// clang-format on

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "kernels/random.h"
#include "kernels/sampling.h"
#include "tests/kernels/device_memory.h"
#include "tests/support/tolerance.h"

namespace glm {
namespace {

// A batch of rows in the middle of their pictures.
struct Rows {
  at::Tensor logits;  // fp32 [splits, batch, vocab]
  int64_t codebook = 0;
  std::vector<int64_t> seeds;
  std::vector<int> counts, totals;
  bool mask = true;
  bool advance = true;
  at::Tensor exponentials;  // fp32 [batch, vocab], or each row draws its own

  int64_t batch() const { return logits.size(1); }
  int64_t vocab() const { return logits.size(2); }
};

struct After {
  at::Tensor tokens, counts, lengths, written, not_finite;
};

constexpr int kLength = 1000;  // of every row before

After run(const Rows& r, const SamplingOptions& options, uint64_t order = 1) {
  const int64_t batch = r.batch();
  const After a{device_empty({batch}, at::kInt), device_copy(at::tensor(r.counts, at::kInt)),
                device_copy(at::full({batch}, kLength, at::kInt)), device_empty({batch, 100}, at::kInt),
                device_copy(at::zeros({batch}, at::kInt))};
  const at::Tensor logits = device_copy(r.logits);
  const at::Tensor totals = device_copy(at::tensor(r.totals, at::kInt));
  const at::Tensor seeds = device_copy(at::tensor(r.seeds, at::kLong));
  const at::Tensor exponentials = r.exponentials.defined() ? device_copy(r.exponentials) : at::Tensor();
  cuda::SampleParams p{};
  p.logits = data_of<float>(logits);
  p.splits = static_cast<int>(logits.size(0));
  p.batch = static_cast<int>(batch);
  p.vocab = static_cast<int>(r.vocab());
  p.codebook = static_cast<int>(r.codebook);
  p.temperature = static_cast<float>(options.temperature);
  p.dropped_mass = options.top_p < 1 ? static_cast<float>(1 - options.top_p) : -1.0f;
  p.top_k = static_cast<int>(options.top_k);
  p.greedy = options.greedy ? 1 : 0;
  p.mask = r.mask ? 1 : 0;
  p.seeds = data_of<uint64_t>(seeds);
  p.exponentials = exponentials.defined() ? data_of<float>(exponentials) : nullptr;
  p.totals = data_of<int>(totals);
  p.counts = data_of<int>(a.counts);
  p.lengths = data_of<int>(a.lengths);
  p.tokens = data_of<int>(a.tokens);
  p.written = data_of<int>(a.written);
  p.written_stride = 100;
  p.not_finite = data_of<int>(a.not_finite);
  p.advance = r.advance ? 1 : 0;
  simt::launch({{p.batch, 1, 1}, cuda::kSampleThreads, cuda::kSampleSharedBytes, order}, [&] { cuda::sample(p); });
  return a;
}

at::Tensor bf16_logits(const Rows& r) {
  at::Tensor sum = at::zeros_like(r.logits[0]);
  for (int64_t i = 0; i < r.logits.size(0); ++i) sum += r.logits[i];
  return sum.to(at::kBFloat16);
}

// What the row's stream gives its token of this number.
at::Tensor exponential_of(const Rows& r, int64_t row) {
  if (r.exponentials.defined()) return r.exponentials.slice(0, row, row + 1);
  CudaRandom random(static_cast<uint64_t>(r.seeds[row]));
  for (int i = 0; i < r.counts[row]; ++i) random.exponential({1, r.vocab()});
  return random.exponential({1, r.vocab()});
}

// May either of two tokens be right? One of them is within a rounding of the nucleus' edge, or they of each other in
// the race. In double, over the ids below `end`.
bool is_near_tie(const at::Tensor& logits, const at::Tensor& exponential, int64_t end, const SamplingOptions& o,
                 std::array<int64_t, 2> tokens) {
  const SamplingOptions top_k{.temperature = o.temperature, .top_p = 1, .top_k = o.top_k, .greedy = false};
  const at::Tensor p = process_logits(logits.slice(1, 0, end), top_k).to(at::kDouble).softmax(-1).flatten();
  const at::Tensor order = std::get<1>(p.sort(/*stable=*/true, -1, false));
  const at::Tensor mass = at::empty_like(p).scatter_(0, order, p.index_select(0, order).cumsum(0));
  double race[2];
  for (int i = 0; i < 2; ++i) {
    if (tokens[i] >= end) return false;
    const double to_edge = std::abs(mass[tokens[i]].item<double>() - (1 - o.top_p));
    if (o.top_p < 1 && to_edge < tolerance::kNucleusEdge) return true;
    race[i] = p[tokens[i]].item<double>() / exponential[0][tokens[i]].item<double>();
  }
  return std::abs(race[0] - race[1]) < tolerance::kRaceTie * race[0];
}

// The tokens are ATen's. Returns how many rows were not, for a near tie.
int expect_tokens(const Rows& r, const SamplingOptions& options, uint64_t order = 1) {
  const After after = run(r, options, order);
  const at::Tensor logits = bf16_logits(r);
  int ties = 0;
  for (int64_t row = 0; row < r.batch(); ++row) {
    const int count = r.counts[row];
    const int64_t legal = r.mask && count + 1 < r.totals[row] ? r.codebook : r.vocab();
    const at::Tensor own = logits.slice(0, row, row + 1);
    const at::Tensor exponential = options.greedy ? at::Tensor() : exponential_of(r, row);
    const auto expected = sample(own, exponential, legal, options).item<int64_t>();
    const auto actual = after.tokens[row].item<int64_t>();
    const auto near_tie = [&](int64_t end) { return is_near_tie(own, exponential, end, options, {actual, expected}); };
    if (actual != expected && !options.greedy && (near_tie(r.vocab()) || near_tie(legal))) {
      ++ties;
    } else {
      EXPECT_EQ(actual, expected) << "row " << row << ", temperature " << options.temperature << ", top_p "
                                  << options.top_p << ", top_k " << options.top_k << ", vocab " << r.vocab();
    }
    EXPECT_EQ(after.counts[row].item<int>(), count + 1);
    EXPECT_EQ(after.lengths[row].item<int>(), kLength + (r.advance ? 1 : 0));
    EXPECT_EQ(after.not_finite[row].item<int>(), 0);
    at::Tensor written = at::full({100}, -1, at::kInt);
    written[count] = actual;
    EXPECT_TRUE(at::equal(after.written[row], written));
  }
  return ties;
}

Rows random_rows(int64_t batch, int64_t vocab, int64_t codebook, double spread) {
  Rows r;
  r.logits = at::randn({1, batch, vocab}) * spread;
  r.codebook = codebook;
  for (int64_t i = 0; i < batch; ++i) {
    r.seeds.push_back(at::randint(1 << 30, {1}, at::kLong).item<int64_t>() << 33 | i);
    r.counts.push_back(static_cast<int>(i * 3 % 7));
    r.totals.push_back(i % 2 == 1 ? r.counts.back() + 1 : 50);
  }
  return r;
}

SamplingOptions options_of(double temperature, double top_p, int64_t top_k = 0) {
  return {.temperature = temperature, .top_p = top_p, .top_k = top_k, .greedy = false};
}

TEST(SamplingBody, TokensAreAtens) {
  int ties = 0;
  int tokens = 0;
  for (const double top_p : {0.1, 0.75, 0.95, 1.0}) {
    for (const int64_t top_k : {0, 1, 7, 300, 20000}) {
      for (const double spread : {0.5, 3.0}) {
        ties += expect_tokens(random_rows(2, 16512, 16384, spread), options_of(0.9, top_p, top_k));
        ties += expect_tokens(random_rows(2, 70, 64, spread), options_of(1.0, top_p, top_k), 5);
        tokens += 4;
      }
    }
  }
  EXPECT_LE(ties, tokens * tolerance::kNearTies);
}

// Logits of few values: whole classes of equal ids at each edge.
TEST(SamplingBody, TiesAreAtens) {
  int ties = 0;
  int tokens = 0;
  for (const int64_t vocab : {5, 33, 1000, 17408}) {
    for (const double top_p : {0.0, 0.1, 0.75, 1.0}) {
      for (const int64_t top_k : {0, 3, 40}) {
        Rows r = random_rows(2, vocab, vocab - 3, 1);
        r.logits = (r.logits * 2).round() / 2;
        ties += expect_tokens(r, options_of(0.7, top_p, top_k));
        tokens += 2;
      }
    }
  }
  EXPECT_LE(ties, tokens * tolerance::kNearTies);
}

// Sums that are exact: the edge of the nucleus falls on an id.
TEST(SamplingBody, AnEdgeThatIsMetExactlyGoes) {
  for (const int64_t vocab : {16, 64, 1024}) {
    for (const double top_p : {0.75, 0.5, 0.125}) {
      Rows r = random_rows(3, vocab, vocab, 0);
      r.exponentials = at::rand({3, vocab}).add(0.1);
      const auto first_kept = static_cast<int64_t>(vocab * (1 - top_p));
      r.exponentials.select(1, first_kept - 1).fill_(1e-6);  // would win
      r.exponentials.select(1, first_kept).fill_(1e-3);
      EXPECT_TRUE((run(r, options_of(1, top_p)).tokens == first_kept).all().item<bool>()) << vocab << " " << top_p;
      EXPECT_EQ(expect_tokens(r, options_of(1, top_p)), 0);
    }
  }
}

TEST(SamplingBody, GreedyIsAtens) {
  for (const int64_t vocab : {5, 1000, 16512}) {
    Rows r = random_rows(5, vocab, vocab - 2, 3);
    r.logits.select(2, vocab - 1).fill_(40);  // the likeliest is illegal
    expect_tokens(r, {.temperature = 0.5, .top_p = 0.1, .top_k = 3, .greedy = true});
    r.logits = r.logits.round();
    expect_tokens(r, {.temperature = 1, .top_p = 1, .top_k = 0, .greedy = true});
    r.logits = -r.logits.abs() - 1;
    expect_tokens(r, {.temperature = 1, .top_p = 1, .top_k = 0, .greedy = true});
  }
}

TEST(SamplingBody, PartsAreAddedAndRoundedToBf16) {
  Rows r = random_rows(3, 500, 500, 1);
  r.logits = at::randn({4, 3, 500}) * 2;
  expect_tokens(r, options_of(1, 0.8));
  expect_tokens(r, {.temperature = 1, .top_p = 1, .top_k = 0, .greedy = true});
}

TEST(SamplingBody, ExponentialsMayBeGiven) {
  Rows r = random_rows(3, 2000, 1990, 1);
  r.exponentials = at::empty({3, 2000}).exponential_();
  expect_tokens(r, options_of(1, 0.9));
}

// Rows of any number of tokens and any seed, and nothing of another's.
TEST(SamplingBody, RowsHaveSeedsAndCountsOfTheirOwn) {
  Rows r = random_rows(6, 300, 300, 0.1);
  r.logits = r.logits.slice(1, 0, 1).expand({1, 6, 300}).contiguous();
  r.seeds = {0, 0, 5, 5, -1, int64_t{1} << 40};
  r.counts = {0, 1, 0, 40, 2, 3};
  r.totals = {1, 50, 2, 41, 50, 4};
  r.advance = false;
  expect_tokens(r, options_of(1, 1), 9);
}

TEST(SamplingBody, IllegalIdsLoseTheirProbabilityAfterTheNucleus) {
  for (const double top_p : {0.5, 0.9, 1.0}) {
    for (const int64_t top_k : {0, 20}) {
      Rows r = random_rows(4, 200, 150, 2);
      r.logits.slice(2, 150) += 2;
      expect_tokens(r, options_of(1, top_p, top_k));
      r.mask = false;
      expect_tokens(r, options_of(1, top_p, top_k));
    }
  }
}

TEST(SamplingBody, WithNothingLegalLeftItIsDoneAgainOverLegalIds) {
  for (const double top_p : {0.3, 0.75}) {
    for (const int64_t top_k : {0, 4}) {
      for (const double above : {15.0, 60.0, 500.0}) {
        Rows r = random_rows(4, 200, 150, 2);
        r.logits.slice(2, 150) += above;
        expect_tokens(r, options_of(1, top_p, top_k));
      }
    }
  }
}

// Without top-p every legal id counts, however far an illegal one is above it.
TEST(SamplingBody, FaintIdsCountWithoutTopP) {
  for (const double above : {18.0, 22.0, 25.0, 40.0, 80.0}) {
    Rows r = random_rows(4, 200, 150, 1);
    r.logits.select(2, 170) += above;
    expect_tokens(r, options_of(1, 1));
    expect_tokens(r, options_of(1, 1, 90));
  }
}

TEST(SamplingBody, NanAndInfinityAreFlagged) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    for (const int64_t id : {0, 77, 199}) {
      for (const bool greedy : {false, true}) {
        Rows r = random_rows(3, 200, 150, 1);
        r.logits[0][1][id] = bad;
        SamplingOptions options = options_of(1, 0.75);
        options.greedy = greedy;
        const After after = run(r, options);
        EXPECT_TRUE(at::equal(after.not_finite, at::tensor({0, 1, 0}, at::kInt)));
        EXPECT_TRUE((after.tokens >= 0).all().item<bool>() && (after.tokens < 200).all().item<bool>());
        EXPECT_TRUE(at::equal(after.counts, at::tensor(r.counts, at::kInt) + 1)) << "the row goes on";
      }
    }
  }
}

TEST(SamplingBody, AFinishedRowIsLeftAlone) {
  Rows r = random_rows(3, 200, 150, 1);
  r.counts = {4, 50, 60};
  r.totals = {50, 50, 50};
  r.logits[0][1].fill_(NAN);
  const After after = run(r, options_of(1, 0.75));
  EXPECT_TRUE(at::equal(after.counts, at::tensor({5, 50, 60}, at::kInt)));
  EXPECT_TRUE(at::equal(after.lengths, at::tensor({kLength + 1, kLength, kLength}, at::kInt)));
  EXPECT_TRUE(at::equal(after.tokens.slice(0, 1), at::tensor({-1, -1}, at::kInt)));
  EXPECT_TRUE((after.written.slice(0, 1) == -1).all().item<bool>());
  EXPECT_FALSE(after.not_finite.any().item<bool>());
}

}  // namespace
}  // namespace glm
