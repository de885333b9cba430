#include "engine/run/look_ahead_writer.h"

#include <algorithm>
#include <chrono>

#include "engine/components/layers/finite.h"

namespace glm {
namespace {

std::vector<int64_t> tokens_of(const std::vector<Draw>& drawn) {
  std::vector<int64_t> tokens;
  tokens.reserve(drawn.size());
  for (const Draw& draw : drawn) tokens.push_back(draw.token);
  return tokens;
}

}  // namespace

LookAheadWriter::LookAheadWriter(RowPasses& passes, const std::vector<Picture>& pictures, const TokenRules& rules,
                                 int64_t rows)
    : passes_(passes), rules_(rules), chooser_(rows) {
  const std::vector<Draw> drawn = passes_.draw_first();
  for (size_t i = 0; i < pictures.size(); ++i) {
    pictures_.push_back(State{.prompt_length = pictures[i].prompt_length, .guesses = Guesses(pictures[i].cells + 1)});
    passes_.accept(static_cast<int64_t>(i), static_cast<int64_t>(i), accept(pictures_.back(), {drawn[i]}, 1));
  }
}

// Writes the draws that are right, fewer where one of them ends the picture. Returns how many.
int64_t LookAheadWriter::accept(State& picture, const std::vector<Draw>& drawn, int64_t right) {
  const std::vector<int64_t> tokens = tokens_of(drawn);
  int64_t accepted = right;
  if (!rules_.mask) {
    const auto last = tokens.begin() + right;
    const auto end = std::find_first_of(tokens.begin(), last, rules_.eos.begin(), rules_.eos.end());
    picture.has_ended = end != last;
    accepted = std::min<int64_t>(right, end - tokens.begin() + 1);
  }
  const auto finite = [](const Draw& draw) { return draw.is_finite; };
  if (!std::all_of(drawn.begin(), drawn.begin() + accepted, finite)) throw not_finite("prior's logits");
  picture.guesses.take(tokens, accepted);
  picture.has_ended = picture.has_ended || picture.guesses.count() == picture.guesses.total();
  return accepted;
}

void LookAheadWriter::pass(const std::function<void()>& poll) {
  std::vector<size_t> active;
  for (size_t i = 0; i < pictures_.size(); ++i) {
    if (!pictures_[i].has_ended) active.push_back(i);
  }
  const int64_t chosen = chooser_.rows(static_cast<int64_t>(active.size()));
  std::vector<std::vector<int64_t>> fed;
  std::vector<PassRow> rows;
  for (const size_t i : active) {
    const State& picture = pictures_[i];
    const int64_t written = picture.guesses.count();
    fed.push_back(picture.guesses.fed(std::min(chosen, picture.guesses.total() - written)));
    int64_t count = written;
    for (const int64_t token : fed.back()) {
      rows.push_back({static_cast<int64_t>(i), picture.prompt_length + count - 1, token, count});
      ++count;
    }
  }
  poll();
  passes_.prepare(static_cast<int64_t>(rows.size()));
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Draw> drawn = passes_.draw(rows, poll);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  ++count_;
  std::vector<int64_t> right;
  bool is_full = true;
  int64_t first = 0;
  for (size_t k = 0; k < active.size(); ++k) {
    const auto count = static_cast<int64_t>(fed[k].size());
    const std::vector<Draw> own(drawn.begin() + first, drawn.begin() + first + count);
    is_full = is_full && count == chosen;
    right.push_back(Guesses::right(fed[k], tokens_of(own)));
    const auto picture = static_cast<int64_t>(active[k]);
    passes_.accept(picture, first, accept(pictures_[active[k]], own, right.back()));
    first += count;
  }
  if (is_full) chooser_.learn(chosen, right, took.count());
}

std::vector<std::vector<int64_t>> LookAheadWriter::run(const std::function<void(int64_t)>& done,
                                                       const std::function<void()>& poll) {
  const auto tell = [&] {
    int64_t sum = 0;
    for (const State& picture : pictures_) sum += picture.guesses.count();
    done(sum);
  };
  const auto has_ended = [](const State& picture) { return picture.has_ended; };
  tell();
  while (!std::all_of(pictures_.begin(), pictures_.end(), has_ended)) {
    pass(poll);
    tell();
  }
  std::vector<std::vector<int64_t>> tokens;
  for (const State& picture : pictures_) tokens.push_back(picture.guesses.written());
  return tokens;
}

}  // namespace glm
