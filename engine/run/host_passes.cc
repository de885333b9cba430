#include "engine/run/host_token_writer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <utility>

#include "engine/components/layers/finite.h"

namespace glm {

struct HostTokenWriter::Picture {
  explicit Picture(HostPicture asked)
      : state(*asked.state),
        prompt_length(asked.state->length),
        guesses(asked.cells + 1),
        random(std::move(asked.random)) {}

  // Says whether the draw `ahead` positions behind the next one is the picture's last. That one may be any id; normally
  // it is the end token.
  bool is_last(int64_t ahead) const { return guesses.count() + ahead + 1 == guesses.total(); }

  DecodeState& state;
  int64_t prompt_length;
  Guesses guesses;
  RandomNumbers random;
  // The exponentials of the positions from guesses.count() on. They are drawn once for each position, in order. A
  // position whose draw was wrong uses the same ones again.
  std::deque<at::Tensor> exponentials;
  std::vector<at::Tensor> logits;  // of what is written, [1, V] each
  bool has_ended = false;
};

HostTokenWriter::HostTokenWriter(const PriorTransformer& transformer, std::vector<HostPicture> pictures,
                                 const TokenRules& rules, const Options& options)
    : rules_(rules),
      keeps_logits_(options.keeps_logits),
      decoder_(transformer),
      chooser_(options.rows),
      sampler_(rules.sampling) {
  for (HostPicture& asked : pictures) {
    const at::Tensor logits = asked.logits.to(at::kFloat).contiguous();
    pictures_.emplace_back(std::move(asked));
    accept(pictures_.back(), draw(pictures_.back(), logits), 1, logits);
  }
}

HostTokenWriter::~HostTokenWriter() = default;

const float* HostTokenWriter::exponential(Picture& picture, int64_t ahead, int64_t ids) const {
  if (rules_.sampling.greedy) return nullptr;
  const auto wanted = static_cast<size_t>(ahead);
  while (picture.exponentials.size() <= wanted) picture.exponentials.push_back(picture.random.exponential({1, ids}));
  return picture.exponentials[wanted].const_data_ptr<float>();
}

// Draws a token from each row of logits, [rows, V]. The first row is that of position guesses.count().
std::vector<int64_t> HostTokenWriter::draw(Picture& picture, const at::Tensor& logits) {
  const int64_t ids = logits.size(1);
  std::vector<int64_t> drawn;
  for (int64_t i = 0; i < logits.size(0); ++i) {
    const bool any = !rules_.mask || picture.is_last(i);
    drawn.push_back(sampler_.sample(logits.const_data_ptr<float>() + i * ids, exponential(picture, i, ids), ids,
                                    any ? ids : rules_.codebook));
  }
  return drawn;
}

// Writes the first `accepted` draws, fewer where one of them ends the picture.
void HostTokenWriter::accept(Picture& picture, const std::vector<int64_t>& drawn, int64_t accepted,
                             const at::Tensor& logits) {
  if (!rules_.mask) {
    const auto last = drawn.begin() + accepted;
    const auto end = std::find_first_of(drawn.begin(), last, rules_.eos.begin(), rules_.eos.end());
    picture.has_ended = end != last;
    accepted = std::min<int64_t>(accepted, end - drawn.begin() + 1);
  }
  for (int64_t i = 0; i < accepted; ++i) {
    const float* const row = logits.const_data_ptr<float>() + i * logits.size(1);
    is_finite_ = is_finite_ && std::all_of(row, row + logits.size(1), [](float v) { return std::isfinite(v); });
    if (keeps_logits_) picture.logits.push_back(logits.slice(0, i, i + 1).clone());
    if (!picture.exponentials.empty()) picture.exponentials.pop_front();
  }
  picture.guesses.take(drawn, accepted);
  picture.has_ended = picture.has_ended || picture.guesses.count() == picture.guesses.total();
}

void HostTokenWriter::pass(const std::function<void()>& poll) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Picture*> active;
  for (Picture& picture : pictures_) {
    if (!picture.has_ended) active.push_back(&picture);
  }
  const int64_t most = host::kMostRows / static_cast<int64_t>(active.size());
  const int64_t chosen = chooser_.rows(most);
  std::vector<std::vector<int64_t>> fed;
  std::vector<HostRow> rows;
  for (Picture* picture : active) {
    const int64_t count = picture->guesses.count();
    fed.push_back(picture->guesses.fed(std::min(chosen, picture->guesses.total() - count)));
    int64_t place = picture->prompt_length + count - 1;
    for (const int64_t token : fed.back()) rows.push_back({.state = &picture->state, .place = place++, .token = token});
  }
  const at::Tensor logits = decoder_.forward(rows, poll);
  ++passes_;
  std::vector<int64_t> accepted;
  bool is_full = true;
  int64_t first = 0;
  for (size_t i = 0; i < active.size(); ++i) {
    const auto count = static_cast<int64_t>(fed[i].size());
    const at::Tensor own = logits.slice(0, first, first + count);
    first += count;
    is_full = is_full && count == chosen;
    const std::vector<int64_t> drawn = draw(*active[i], own);
    accepted.push_back(Guesses::right(fed[i], drawn));
    accept(*active[i], drawn, accepted.back(), own);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (is_full) chooser_.learn(chosen, accepted, took.count());
}

std::vector<HostTokenWriter::Written> HostTokenWriter::run(const std::function<void(int64_t)>& done,
                                                           const std::function<void()>& poll) {
  const auto tell = [&] {
    int64_t sum = 0;
    for (const Picture& picture : pictures_) sum += picture.guesses.count();
    done(sum);
  };
  const auto has_ended = [](const Picture& picture) { return picture.has_ended; };
  tell();
  while (!std::all_of(pictures_.begin(), pictures_.end(), has_ended)) {
    pass(poll);
    tell();
  }
  if (!is_finite_) throw not_finite("prior's logits");
  std::vector<Written> written;
  for (const Picture& picture : pictures_) {
    written.push_back({.tokens = at::tensor(picture.guesses.written(), at::kLong).unsqueeze(0),
                       .logits = picture.logits.empty() ? at::Tensor() : at::stack(picture.logits, 1)});
  }
  return written;
}

}  // namespace glm
