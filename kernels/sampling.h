// Contract: one token id per row, drawn as transformers' generate does it: temperature, top-k, top-p, softmax, then the
//   exponential race argmax(p / q). Every id, even a removed one, has its own q ~ Exp(1). All is in fp32.
//   Ties: top-k keeps all ids that equal the k-th. top-p sorts ascending and stable, so of equal ids the lower is
//   dropped first. argmax takes the lowest id.
//   Ids >= legal can't be drawn. They lose their probability after top-k and top-p, so that the nucleus is upstream's:
//   a token differs from upstream's only where upstream would have drawn an illegal one. If nothing legal is left,
//   top-k and top-p are done again over the legal ids alone.
//   Upstream: TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper, torch.multinomial of one sample.
// Roofline: a row of 16,512 logits is 66 KB, so the latency of the sort is what counts. A row is one block on a GPU.
#pragma once

#include <ATen/core/Tensor.h>

namespace glm {

struct SamplingOptions {
  double temperature = 1.0;
  double top_p = 1.0;
  int64_t top_k = 0;    // 0: off
  bool greedy = false;  // argmax over the legal ids; no random numbers are used

  bool operator==(const SamplingOptions&) const = default;
};

// Returns the scores, with -inf where top-k or top-p removes an id.
at::Tensor process_logits(const at::Tensor& logits,         // [B, V], any float dtype
                          const SamplingOptions& options);  // -> fp32 [B, V]

// Returns the drawn id of each row.
at::Tensor sample(const at::Tensor& logits,         // [B, V], any float dtype
                  const at::Tensor& exponential,    // fp32 [B, V], unused when greedy
                  int64_t legal,                    // ids 0 .. legal-1 may be drawn
                  const SamplingOptions& options);  // -> i64 [B]

}  // namespace glm
