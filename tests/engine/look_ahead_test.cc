// Look-ahead: our CPU kernels compute several positions in a pass, and no token changes.
#include "engine/run/look_ahead.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <limits>
#include <random>

#include "engine/run/look_ahead_writer.h"
#include "engine/run/prior.h"
#include "glm/error.h"
#include "tests/engine/cases.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

const std::vector<int64_t> kRowCounts = {1, 2, 5, 16, 0};  // 0: the program's choice

class LookAhead : public StageTest {
 protected:
  void SetUp() override {
    if (!test_device().is_cpu()) GTEST_SKIP() << "only a CPU looks ahead";
  }
};

TEST_P(LookAhead, LogitsAreUpstreamsAndTheSameForAnyNumberOfRows) {
  const at::Tensor one = host_logits(1);
  EXPECT_TRUE(golden.matches("ar.logits", one, tolerance::kStage));
  for (const int64_t rows : {5, 16}) EXPECT_TRUE(at::equal(one, host_logits(rows))) << rows;
}

TEST_P(LookAhead, TokensAreUpstreams) {
  const PriorRequest request = prior_request();
  for (const int64_t rows : {1, 2, 5, 16}) {  // TokensStage has the program's choice
    const WrittenTokens written = generate_tokens(model.prior, model.config, {request}, {.rows = rows});
    EXPECT_TRUE(golden.bytes_equal("ar.generated", written.tokens[0])) << rows;
    const int64_t count = written.tokens[0].size(1);
    EXPECT_EQ(rows == 1 ? count - 1 : std::min(written.passes, count - 1), written.passes);
  }
}

INSTANTIATE_TEST_SUITE_P(Upstream, LookAhead, testing::ValuesIn(float32_cases()), case_name);

// A small prior with random weights, and requests of it.
class RandomPrior {
 public:
  explicit RandomPrior(uint64_t seed) : random_(seed), config_(checkpoint_a()) {
    PriorConfig& c = config_.prior;
    c.kv_heads = between(1, 2);
    c.heads = c.kv_heads * between(1, 9);
    c.head_dim = 4 * between(2, 9);
    c.dim = between(8, 70);
    c.inner_dim = between(5, 90);
    c.layers = between(1, 3);
    c.vision_vocab = seed % 40 == 0 ? 40'000 : between(20, 300);  // rows longer than ATen's grain among them
    c.vocab = c.vision_vocab + between(0, 50);
    c.max_positions = 1000;
    c.norm_eps = 1e-5;
    c.attention_bias = between(0, 1) == 1;
    c.rope_theta = 10'000;
    c.rotary_fraction = 0.5;
    const int64_t frequencies = c.rotary_dim() / 2;
    c.mrope_section = {frequencies - frequencies / 2, frequencies / 2, 0};
    config_.generation.codebook = c.vision_vocab - between(1, 10);
    config_.generation.eos = {c.vision_vocab - 1};
    dtype_ = between(0, 1) == 1 ? at::kBFloat16 : at::kFloat;
  }

  int64_t between(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  const ModelConfig& config() const { return config_; }
  PriorTransformer prior() const { return {Weights::random(dtype_, at::kCPU), config_.prior}; }

  PriorRequest request() {
    at::Tensor ids = at::empty({1, between(1, 12)}, at::kLong);
    for (int64_t i = 0; i < ids.size(1); ++i) ids[0][i] = between(0, config_.prior.vocab - 1);
    const int64_t top_k = between(0, 1) * between(1, 60);
    return {.ids = ids,
            .preview = {.height = between(1, 3), .width = between(1, 3)},
            .target = {.height = between(1, 5), .width = between(1, 7)},
            .sampling = {.temperature = 0.05 * static_cast<double>(between(1, 30)),
                         .top_p = 0.1 * static_cast<double>(between(1, 10)),
                         .top_k = top_k,
                         .greedy = between(0, 4) == 0},
            .allow_early_stop = between(0, 3) == 0,
            .rng = between(0, 1) == 1 ? Rng::cpu : Rng::cuda,
            .seed = static_cast<uint64_t>(between(0, 1 << 30))};
  }

 private:
  std::mt19937_64 random_;
  ModelConfig config_;
  at::ScalarType dtype_ = at::kFloat;
};

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

TEST(RandomPriors, WriteTheSameTokensInAnyNumberOfRowsAndPicturesAndThreads) {
  const c10::InferenceMode inference;
  int64_t tokens = 0;
  int64_t passes = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    RandomPrior random(seed);
    const PriorTransformer prior = random.prior();
    std::vector<PriorRequest> requests;
    for (int64_t i = random.between(1, 4); i > 0; --i) requests.push_back(random.request());
    if (seed % 2 == 0) {  // of one sampling, so that they share their passes
      for (PriorRequest& request : requests) {
        request.sampling = requests[0].sampling;
        request.allow_early_stop = requests[0].allow_early_stop;
        request.rng = requests[0].rng;
      }
    }
    std::vector<at::Tensor> alone;
    for (const PriorRequest& request : requests) {
      alone.push_back(generate_tokens(prior, random.config(), {request}, {.rows = 1}).tokens[0]);
    }
    for (const int64_t rows : kRowCounts) {
      const Threads threads(rows == 2 ? 2 : rows == 5 ? 5 : 1);
      const WrittenTokens together = generate_tokens(prior, random.config(), requests, {.rows = rows});
      for (size_t i = 0; i < requests.size(); ++i) {
        ASSERT_TRUE(at::equal(alone[i], together.tokens[i])) << "model " << seed << ", rows " << rows;
        if (rows == 16) tokens += alone[i].size(1);
      }
      if (rows == 16) passes += together.passes;
    }
  }
  EXPECT_LT(passes, tokens * 3 / 4) << "some guesses were right, and pictures shared their passes";
}

// Passes of one picture. Each token is the one before it plus `step`. Logits of all rows but a pass's first aren't
// finite.
class BrokenPasses : public RowPasses {
 public:
  explicit BrokenPasses(int64_t step) : step_(step) {}

  std::vector<Draw> draw_first() override { return {{.token = 10}}; }
  void prepare(int64_t rows) override { prepared_ = rows; }
  std::vector<Draw> draw(std::span<const PassRow> rows, const std::function<void()>&) override {
    EXPECT_EQ(prepared_, static_cast<int64_t>(rows.size()));
    std::vector<Draw> drawn;
    for (const PassRow& row : rows) drawn.push_back({.token = row.token + step_, .is_finite = drawn.empty()});
    return drawn;
  }
  void accept(int64_t, int64_t, int64_t count) override { accepted += count; }

  int64_t accepted = 0;

 private:
  int64_t step_;
  int64_t prepared_ = 0;
};

TEST(LookAheadWriterTest, LogitsOfARowThatIsRejectedMayBeAnything) {
  const auto written = [](BrokenPasses& passes, int64_t rows) {
    LookAheadWriter writer(passes, {{.prompt_length = 3, .cells = 4}}, {.sampling = {}, .codebook = 99, .eos = {}},
                           rows);
    return writer.run([](int64_t) {}, [] {})[0];
  };
  BrokenPasses rejected(1);
  EXPECT_EQ(written(rejected, 4), (std::vector<int64_t>{10, 11, 12, 13, 14}));
  EXPECT_EQ(rejected.accepted, 5);
  BrokenPasses taken(0);  // each guess, the token before, is right
  EXPECT_THROW(written(taken, 4), Error);
  EXPECT_EQ(written(taken, 1), (std::vector<int64_t>{10, 10, 10, 10, 10}));
}

TEST(RandomPriors, AreCancelledWithinAPass) {
  const c10::InferenceMode inference;
  RandomPrior random(3);
  const PriorTransformer prior = random.prior();
  int64_t polls = 0;
  int64_t told = -1;
  const WriteOptions options{.rows = 4,
                             .done = [&](int64_t done, int64_t) { told = done; },
                             .poll =
                                 [&] {
                                   if (++polls == 2) throw Error(ErrorCode::cancelled, "cancelled");
                                 }};
  EXPECT_THROW(generate_tokens(prior, random.config(), {random.request()}, options), Error);
  EXPECT_LE(told, 1 + 4);
}

TEST(GuessesTest, AreTheTokenBeforeWhereNothingWasDrawn) {
  Guesses guesses(9);
  guesses.take({7}, 1);
  EXPECT_EQ(guesses.fed(3), (std::vector<int64_t>{7, 7, 7}));
  guesses.take({8, 1, 2, 3}, 4);
  EXPECT_EQ(guesses.count(), 5);
  EXPECT_EQ(guesses.fed(3), (std::vector<int64_t>{3, 3, 3}));
}

TEST(GuessesTest, DrawsBehindTheFirstWrongGuessAreTheNextGuesses) {
  Guesses guesses(17);
  guesses.take({5}, 1);
  EXPECT_EQ(Guesses::right({5, 6, 7, 8}, {6, 7, 9, 4}), 3);  // 9 was drawn where 8 had been guessed
  guesses.take({6, 7, 9, 4}, 3);
  EXPECT_EQ(guesses.written(), (std::vector<int64_t>{5, 6, 7, 9}));
  EXPECT_EQ(guesses.fed(3), (std::vector<int64_t>{9, 4, 4}));
  EXPECT_EQ(Guesses::right({5, 6}, {7, 8}), 1);
  EXPECT_EQ(Guesses::right({5}, {5}), 1);
}

// Returns the time of 1,000 tokens by the program's choice, as a multiple of one token a pass. A pass of n rows takes
// 1 + slope * (n - 1); each guess is right with this probability. most: rows that a pass may have.
double time_by_choice(double probability, double slope, int64_t* last, int64_t most = 16) {
  std::mt19937_64 random(1);
  std::bernoulli_distribution is_right(probability);
  RowChooser chooser(0);
  double seconds = 0;
  int64_t tokens = 0;
  while (tokens < 1000) {
    const int64_t rows = chooser.rows(16 / most);
    EXPECT_LE(rows, most);
    int64_t accepted = 1;
    while (accepted < rows && is_right(random)) ++accepted;
    const double pass = 1 + slope * static_cast<double>(rows - 1);
    chooser.learn(rows, {accepted}, pass);
    seconds += pass;
    tokens += accepted;
    *last = rows;
  }
  return seconds / static_cast<double>(tokens);
}

TEST(RowChooserTest, CostsNextToNothingWhereNoGuessIsRight) {
  int64_t last = 0;
  EXPECT_LT(time_by_choice(0.0, 0.1, &last), 1.02);
  EXPECT_EQ(last, 1);
}

TEST(RowChooserTest, TakesAllRowsWhereEachGuessIsRight) {
  int64_t last = 0;
  EXPECT_LT(time_by_choice(1.0, 0.05, &last), 0.15);
  EXPECT_EQ(last, 16);
}

TEST(RowChooserTest, TakesWhatIsFastestBetweenThem) {
  int64_t last = 0;
  // 1, 2, 4, 8 and 16 rows write 1, 1.7, 2.5, 3.1 and 3.3 tokens in 1, 1.1, 1.3, 1.7 and 2.5.
  EXPECT_LT(time_by_choice(0.7, 0.1, &last), 1.1 / 1.93);
}

// Several pictures leave fewer rows to each.
TEST(RowChooserTest, ChoosesAmongTheRowsThatThereAre) {
  for (const int64_t most : {1, 2, 3, 5, 8}) {
    int64_t last = 0;
    EXPECT_LT(time_by_choice(0.0, 0.5, &last, most), 1.02) << most;
    EXPECT_EQ(last, 1) << most;
    time_by_choice(1.0, 0.05, &last, most);
    EXPECT_EQ(last, most == 3 ? 2 : most == 5 ? 4 : most) << most;
  }
}

// A pass takes longer and longer, because the sequence grows.
TEST(RowChooserTest, OldTimesDoNotMislead) {
  RowChooser chooser(0);
  int64_t others = 0;
  for (int i = 0; i < 1000; ++i) {
    const int64_t rows = chooser.rows(1);
    chooser.learn(rows, {1}, (1 + 0.003 * i) * static_cast<double>(rows));
    others += rows > 1 ? 1 : 0;
  }
  EXPECT_LT(others, 20);
}

TEST(RowChooserTest, MeasuresAgainWhenAPictureHasEnded) {
  RowChooser chooser(0);
  for (int i = 0; i < 100; ++i) {  // of four pictures, a second row costs more than it brings
    const int64_t rows = chooser.rows(4);
    chooser.learn(rows, {1, 1, 1, 1}, static_cast<double>(rows));
  }
  EXPECT_EQ(chooser.rows(4), 1);
  for (int i = 0; i < 1000; ++i) {  // alone, rows cost nothing, and each guess is right
    const int64_t rows = chooser.rows(1);
    chooser.learn(rows, {rows}, 1.0);
  }
  EXPECT_EQ(chooser.rows(1), 16);
  RowChooser asked(5);
  EXPECT_EQ(asked.rows(1), 5);
  EXPECT_EQ(asked.rows(4), 4);
}

TEST(LookAheadOption, IsANumberOrAWord) {
  EXPECT_EQ(look_ahead_rows("auto"), 0);
  EXPECT_EQ(look_ahead_rows("off"), 1);
  EXPECT_EQ(look_ahead_rows("16"), 16);
  for (const char* wrong : {"", "0", "17", "-1", "5x", "5.0", "on", " 5", "99999999999999999999"}) {
    EXPECT_THROW(look_ahead_rows(wrong), Error) << wrong;
  }
}

}  // namespace
}  // namespace glm
