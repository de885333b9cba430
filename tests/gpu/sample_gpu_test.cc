// The draw on the card, against kernels/sampling.h on the CPU.
#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "kernels/random.h"
#include "kernels/sampling.h"
#include "tests/gpu/gpu_test.h"
#include "tests/support/tolerance.h"

namespace glm {
namespace {

constexpr int kBatch = 16;
constexpr int kTotal = 6;

struct Case {
  SamplingOptions options;
  int vocab = 16512;
  int codebook = 16384;
  int splits = 1;
  double spread = 3;  // of the logits
  bool mask = true;
  bool drawn_here = true;  // the exponentials; else they are given
  int advance = 1;
  double illegal = 0;  // added to the logits of ids from codebook on
};

class SampleOnGpu : public GpuTest {
 protected:
  struct State {
    at::Tensor logits, exponentials, seeds, totals, counts, lengths, tokens, written, not_finite;
  };

  // Rows at different counts: some done, some at their last token.
  State make(const Case& c) const {
    State s;
    s.logits = at::randn({c.splits, kBatch, c.vocab}, on(at::kFloat)) * c.spread / std::sqrt(c.splits);
    s.logits.slice(2, c.codebook) += c.illegal;
    s.exponentials = at::empty({kBatch, c.vocab}, on(at::kFloat)).exponential_().clamp_min_(1e-7);
    s.seeds = at::randint(INT64_MAX, {kBatch}, at::kLong);
    s.seeds[1] = -1;  // all bits
    s.totals = at::full({kBatch}, kTotal, at::kInt);
    s.counts = at::arange(kBatch, at::kInt).remainder(kTotal + 1);
    s.lengths = at::randint(1, 1000, {kBatch}, at::kInt);
    s.tokens = at::full({kBatch}, 12345, at::kInt);
    s.written = at::full({kBatch, kTotal + 2}, -1, at::kInt);
    s.not_finite = at::zeros({kBatch}, at::kInt);
    for (at::Tensor State::*member : {&State::seeds, &State::totals, &State::counts, &State::lengths, &State::tokens,
                                      &State::written, &State::not_finite}) {
      s.*member = (s.*member).to(gpu().device);
    }
    return s;
  }

  static cuda::Call call_of(const Case& c, const State& s) {
    cuda::Call call{};
    call.kernel = cuda::Kernel::sample;
    call.sample = {};
    cuda::SampleParams& p = call.sample;
    p.logits = data_of<float>(s.logits);
    p.splits = c.splits;
    p.batch = kBatch;
    p.vocab = c.vocab;
    p.codebook = c.codebook;
    p.temperature = static_cast<float>(c.options.temperature);
    p.dropped_mass = c.options.top_p < 1 ? static_cast<float>(1 - c.options.top_p) : -1;
    p.top_k = static_cast<int>(c.options.top_k);
    p.greedy = c.options.greedy ? 1 : 0;
    p.mask = c.mask ? 1 : 0;
    p.seeds = data_of<uint64_t>(s.seeds);
    p.exponentials = c.drawn_here ? nullptr : data_of<float>(s.exponentials);
    p.totals = data_of<int>(s.totals);
    p.counts = data_of<int>(s.counts);
    p.lengths = data_of<int>(s.lengths);
    p.tokens = data_of<int>(s.tokens);
    p.written = data_of<int>(s.written);
    p.written_stride = static_cast<int>(s.written.size(1));
    p.not_finite = data_of<int>(s.not_finite);
    p.advance = c.advance;
    return call;
  }

  // Is this difference one of the last bits of fp32?
  static bool near_tie(const Case& c, const at::Tensor& logits, const at::Tensor& q, int64_t a, int64_t b) {
    SamplingOptions whole = c.options;
    whole.top_p = 1;
    const at::Tensor p = process_logits(logits, whole)[0].to(at::kDouble).softmax(-1);
    const auto value = [&](int64_t id) { return p[id].item<double>() / q[0][id].item<double>(); };
    if (std::abs(value(a) / value(b) - 1) <= tolerance::kRaceTie) return true;
    const auto below = [&](int64_t id) {  // with the id itself, and with all its equals
      const at::Tensor less = p.where(p < p[id], at::zeros({}, at::kDouble)).sum();
      const at::Tensor equals = at::arange(p.size(0)).lt(id).logical_and(p == p[id]).sum();
      return (less + p[id] * (equals + 1)).item<double>() - (1 - c.options.top_p);
    };
    return std::abs(below(a)) <= tolerance::kNucleusEdge || std::abs(below(b)) <= tolerance::kNucleusEdge;
  }

  void expect_is_atens(const Case& c) {
    const State s = make(c);
    const at::Tensor counts = s.counts.cpu().clone();
    const at::Tensor lengths = s.lengths.cpu().clone();
    run(gpu(), {call_of(c, s)});
    at::Tensor sum = at::zeros_like(s.logits[0]);
    for (int i = 0; i < c.splits; ++i) sum += s.logits[i];
    const at::Tensor logits = sum.to(at::kBFloat16).cpu();
    const at::Tensor written = s.written.cpu();
    const at::Tensor tokens = s.tokens.cpu();
    for (int64_t row = 0; row < kBatch; ++row) {
      SCOPED_TRACE(testing::Message() << "row " << row);
      const int count = counts[row].item<int>();
      const bool done = count >= kTotal;
      EXPECT_EQ(s.counts[row].item<int>(), done ? count : count + 1);
      EXPECT_EQ(s.lengths[row].item<int>(), lengths[row].item<int>() + (done ? 0 : c.advance));
      EXPECT_EQ(s.not_finite[row].item<int>(), 0);
      for (int i = 0; i < written.size(1); ++i) {
        const bool own = !done && i == count;
        EXPECT_EQ(written[row][i].item<int>() == -1, !own) << i;
      }
      if (done) {
        EXPECT_EQ(tokens[row].item<int>(), 12345) << "a row that is done stays as it is";
        continue;
      }
      const int64_t token = tokens[row].item<int>();
      EXPECT_EQ(written[row][count].item<int>(), token);
      const int64_t legal = c.mask && count + 1 < kTotal ? c.codebook : c.vocab;
      const at::Tensor own = logits.slice(0, row, row + 1);
      at::Tensor q = s.exponentials.slice(0, row, row + 1).cpu();
      if (c.drawn_here) {
        CudaRandom random(static_cast<uint64_t>(s.seeds[row].item<int64_t>()));
        for (int i = 0; i <= count; ++i) q = random.exponential({1, c.vocab});
      }
      const auto expected = sample(own, q, legal, c.options).item<int64_t>();
      ++drawn_;
      if (token == expected) continue;
      ++otherwise_;
      EXPECT_LT(token, legal);
      EXPECT_TRUE(!c.options.greedy && near_tie(c, own, q, token, expected))
          << "expected " << expected << ", found " << token << ", temperature " << c.options.temperature << ", top_p "
          << c.options.top_p << ", top_k " << c.options.top_k << ", vocab " << c.vocab;
    }
  }

  int drawn_ = 0;
  int otherwise_ = 0;
};

TEST_F(SampleOnGpu, IsAtensOnTheCpu) {
  for (const double temperature : {0.9, 1.0, 0.2}) {
    for (const double top_p : {0.75, 1.0, 0.1, 0.999}) {
      for (const int64_t top_k : {int64_t{0}, int64_t{1}, int64_t{50}, int64_t{16512}}) {
        for (const bool drawn_here : {true, false}) {
          expect_is_atens({.options = {.temperature = temperature, .top_p = top_p, .top_k = top_k},
                           .splits = drawn_here ? 2 : 1,
                           .drawn_here = drawn_here});
        }
      }
    }
  }
  EXPECT_LE(otherwise_, tolerance::kNearTies * drawn_);
}

TEST_F(SampleOnGpu, OtherVocabularies) {
  const SamplingOptions options{.temperature = 0.9, .top_p = 0.75, .top_k = 40};
  for (const int vocab : {16, 48, 1008, 17408}) {
    for (const int splits : {1, 8}) {
      expect_is_atens({.options = options, .vocab = vocab, .codebook = vocab - 8, .splits = splits});
      expect_is_atens({.options = {.top_p = 0.9},
                       .vocab = vocab,
                       .codebook = vocab - 1,
                       .splits = splits,
                       .mask = false,
                       .advance = 0});
    }
  }
  EXPECT_LE(otherwise_, 1 + tolerance::kNearTies * drawn_);
}

// Few distinct logits: ties at every edge.
TEST_F(SampleOnGpu, Ties) {
  for (const double spread : {0.0, 0.004, 0.05}) {
    expect_is_atens({.options = {.temperature = 0.9, .top_p = 0.75, .top_k = 16512}, .spread = spread});
    expect_is_atens({.options = {.temperature = 1, .top_p = 0.3, .top_k = 100}, .spread = spread});
  }
  EXPECT_LE(otherwise_, 1 + tolerance::kNearTies * drawn_);
}

TEST_F(SampleOnGpu, GreedyTakesTheLargestLegalLogit) {
  for (const int splits : {1, 4}) {
    expect_is_atens({.options = {.greedy = true}, .splits = splits});
    expect_is_atens({.options = {.greedy = true}, .splits = splits, .spread = 0.01, .illegal = 20});
    expect_is_atens({.options = {.greedy = true}, .vocab = 1008, .codebook = 1000, .splits = splits, .mask = false});
  }
}

TEST_F(SampleOnGpu, NothingLegalInTheNucleus) {
  for (const double top_p : {0.75, 0.1}) {
    expect_is_atens({.options = {.temperature = 0.9, .top_p = top_p, .top_k = 16512}, .illegal = 40});
    expect_is_atens({.options = {.temperature = 0.9, .top_p = top_p, .top_k = 16512}, .illegal = 9});
  }
  EXPECT_LE(otherwise_, 1 + tolerance::kNearTies * drawn_);
}

TEST_F(SampleOnGpu, NanAndInfinityAreFlaggedInTheirRowAlone) {
  const Case c{.options = {.temperature = 0.9, .top_p = 0.75, .top_k = 0}};
  const State s = make(c);
  s.counts.zero_();
  s.logits[0][3][16511] = NAN;
  s.logits[0][5][0] = INFINITY;
  s.logits[0][8][777] = -INFINITY;
  run(gpu(), {call_of(c, s)});
  const at::Tensor flags = s.not_finite.cpu();
  for (int row = 0; row < kBatch; ++row) {
    EXPECT_EQ(flags[row].item<int>(), row == 3 || row == 5 || row == 8 ? 1 : 0) << row;
  }
}

TEST_F(SampleOnGpu, DrawsTheSameEveryTime) {
  const Case c{.options = {.temperature = 0.9, .top_p = 0.75, .top_k = 16512}, .splits = 2};
  const State s = make(c);
  at::Tensor first;
  for (int i = 0; i < 50; ++i) {
    s.counts.zero_();
    run(gpu(), {call_of(c, s)});
    if (i == 0) first = s.tokens.clone();
    ASSERT_TRUE(at::equal(s.tokens, first)) << "run " << i;
  }
}

}  // namespace
}  // namespace glm
