// Contract: kernels/sampling.h's, for one row in fp32. Probabilities are summed in double, and so they agree with
// ATen's
//   to the last bits; a token differs where two candidates of the race are that close.
//   Upstream: TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, torch.multinomial of one sample.
// Roofline: latency; a row of 16,512 logits is 66 KB.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/sampling.h"

namespace glm::host {

// Draws tokens, one after the other. It keeps its room from one to the next.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options) {}

  // Returns the drawn id. logits, exponential: [count]; exponential is unused when greedy. Ids >= legal can't be drawn.
  // For logits that aren't all finite the id is some legal one.
  int64_t sample(const float* logits, const float* exponential, int64_t count, int64_t legal);

 private:
  void keep(const float* logits, int64_t count);
  void remove_below_kth(int64_t count);
  void remove_tail(int64_t count);
  int64_t race(const float* exponential, int64_t legal) const;

  SamplingOptions options_;
  std::vector<float> scores_;         // of all ids
  std::vector<float> weights_;        // exp(score - largest score); 0 for those that are removed
  std::vector<float> ordered_;        // room to look for the k-th score
  std::vector<double> mass_;          // sum of weights of the scores with the same leading bits
  std::vector<int64_t> at_boundary_;  // ids whose scores share the leading bits with the nucleus's end
};

}  // namespace glm::host
