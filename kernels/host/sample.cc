#include "kernels/host/sample.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "kernels/host/host_kernels.h"

namespace glm::host {
namespace {

constexpr int kLeadingBits = 12;

// Returns the leading bits of a number's place in the order of all floats.
uint32_t leading_bits(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t in_order = (bits >> 31) != 0 ? ~bits : bits | 0x80000000U;
  return in_order >> (32 - kLeadingBits);
}

int64_t largest(const float* values, int64_t count) {
  return std::max_element(values, values + count) - values;
}

}  // namespace

int64_t Sampler::sample(const float* logits, const float* exponential, int64_t count, int64_t legal) {
  if (options_.greedy) return largest(logits, legal);
  keep(logits, count);
  // If no legal id is left, top-k and top-p are done again over the legal ids alone.
  if (std::all_of(weights_.begin(), weights_.begin() + legal, [](float w) { return w == 0; })) keep(logits, legal);
  return race(exponential, legal);
}

// Fills weights_ of the first `count` ids.
void Sampler::keep(const float* logits, int64_t count) {
  scores_.resize(static_cast<size_t>(count));
  const auto temperature = static_cast<float>(options_.temperature);
  for (size_t i = 0; i < scores_.size(); ++i) scores_[i] = logits[i] / temperature;
  const float top = scores_[static_cast<size_t>(largest(scores_.data(), count))];
  weights_ = scores_;
  best_kernels().exponentials(weights_.data(), count, top);
  if (options_.top_k > 0 && options_.top_k < count) remove_below_kth();
  if (options_.top_p < 1.0) remove_tail(top);
}

void Sampler::remove_below_kth() {
  ordered_ = scores_;
  const auto kth = ordered_.begin() + options_.top_k - 1;
  std::nth_element(ordered_.begin(), kth, ordered_.end(), std::greater<>());
  for (size_t id = 0; id < scores_.size(); ++id) {
    if (scores_[id] < *kth) weights_[id] = 0;
  }
}

// Removes the least likely ids as long as their shares add up to at most 1 - top_p. Among equally likely ids the lowest
// is removed first. The likeliest id, whose score is `top`, stays.
void Sampler::remove_tail(float top) {
  mass_.assign(size_t{1} << kLeadingBits, 0.0);
  double total = 0;
  const uint32_t last = leading_bits(top);
  uint32_t boundary = last;  // at first the lowest that any score has
  for (size_t id = 0; id < scores_.size(); ++id) {
    const uint32_t bits = leading_bits(scores_[id]);
    boundary = std::min(boundary, bits);
    mass_[bits] += weights_[id];
    total += weights_[id];
  }
  const auto most = static_cast<float>(1.0 - options_.top_p);
  const auto is_tail = [&](double sum) { return static_cast<float>(sum / total) <= most; };
  double sum = 0;
  while (boundary < last && is_tail(sum + mass_[boundary])) sum += mass_[boundary++];
  at_boundary_.clear();
  for (size_t id = 0; id < scores_.size(); ++id) {
    const uint32_t bits = leading_bits(scores_[id]);
    if (bits == boundary) at_boundary_.push_back(id);
    if (bits < boundary) weights_[id] = 0;
  }
  std::stable_sort(at_boundary_.begin(), at_boundary_.end(),
                   [&](size_t a, size_t b) { return scores_[a] < scores_[b]; });
  if (boundary == last && !at_boundary_.empty()) at_boundary_.pop_back();
  for (const size_t id : at_boundary_) {
    sum += weights_[id];
    if (!is_tail(sum)) break;
    weights_[id] = 0;
  }
}

// Returns the id whose probability divided by its exponential is the largest, the lowest of equal ones.
int64_t Sampler::race(const float* exponential, int64_t legal) const {
  double total = 0;
  for (const float weight : weights_) total += weight;
  int64_t winner = 0;
  float best = -1;
  for (int64_t i = 0; i < legal; ++i) {
    const float weight = weights_[static_cast<size_t>(i)];
    const float time = weight == 0 ? 0 : weight / static_cast<float>(total) / exponential[i];
    if (time > best) {
      best = time;
      winner = i;
    }
  }
  return winner;
}

}  // namespace glm::host
