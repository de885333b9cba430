// Contract: that of kernels/sampling.h, for one row in fp32. Probabilities are summed in double, so the last bits may
//   differ from ATen's. The drawn token differs only when two ids are nearly equal in the race.
//   Upstream: TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, torch.multinomial of one sample.
// Roofline: latency; a row of 16,512 logits is 66 KB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/sampling.h"

namespace glm::host {

// Draws tokens, one after the other. It uses the same memory for each.
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options) {}

  // Returns the drawn id. logits, exponential: [count]; exponential is unused when greedy. Ids >= legal can't be drawn.
  // If the logits aren't all finite, any legal id is returned.
  int64_t sample(const float* logits, const float* exponential, int64_t count, int64_t legal);

 private:
  void keep(const float* logits, int64_t count);
  void remove_below_kth();
  void remove_tail(float top);
  int64_t race(const float* exponential, int64_t legal) const;

  SamplingOptions options_;
  std::vector<float> scores_;        // of all ids
  std::vector<float> weights_;       // exp(score - largest score); 0 for those that are removed
  std::vector<float> ordered_;       // room to look for the k-th score
  std::vector<double> mass_;         // sum of weights of the scores with the same leading bits
  std::vector<size_t> at_boundary_;  // ids that have the leading bits of the last score that is removed
};

}  // namespace glm::host
