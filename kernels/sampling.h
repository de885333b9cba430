// Contract: one token id per row, as transformers' generate draws it: temperature, top-k, top-p, softmax, then the
//   exponential race argmax(p / q), q ~ Exp(1) for every id, removed ones too. All in fp32.
//   Ties: top-k keeps all that equal the k-th; top-p sorts ascending and stable, so of equal ids the lower is dropped
//   first; argmax takes the lowest. Ids >= legal can't be drawn: they lose their probability after top-k and top-p, so
//   the nucleus is upstream's and a token differs from upstream's only where upstream would have drawn an illegal one.
//   If nothing legal is left, top-p is done again over the legal ids alone. Upstream: TemperatureLogitsWarper,
//   TopKLogitsWarper, TopPLogitsWarper, torch.multinomial of one sample.
// Roofline: 66 KB a row of 16,512; latency of the sort. One block on a GPU.
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

// Scores with -inf where an id is removed.
at::Tensor process_logits(const at::Tensor& logits,         // [B, V], any float dtype
                          const SamplingOptions& options);  // -> fp32 [B, V]

at::Tensor sample(const at::Tensor& logits,         // [B, V], any float dtype
                  const at::Tensor& exponential,    // fp32 [B, V], unused when greedy
                  int64_t legal,                    // ids 0 .. legal-1 may be drawn
                  const SamplingOptions& options);  // -> i64 [B]

}  // namespace glm
