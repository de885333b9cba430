// Contract: a weight [out, in] rearranged once for the decode kernels (kernels/cuda/formats.h has the order), and
//   quantised where the format asks for it: fp8 e4m3 and int8 with a scale for each output row (its largest value at
//   448 or 127), int4 with a scale and a whole zero for each 128 columns of a row (lowest at 0, highest at 15). Columns
//   are padded with zeros to 64. A weight whose columns are no multiple of 128 is int8 where int4 was asked. gate_up:
//   the rows are gate, then up, and the kernel multiplies silu(gate) * up. dense() gives back what the kernels compute
//   with, rounded to bf16. out: a multiple of 16.
// Roofline: memory; twice the weight's bytes, once per load, and dense() once per layer and prompt.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cuda/parameters.h"
#include "kernels/packers/packer.h"

namespace glm {

class PackedWeight {
 public:
  enum class Rows { plain, gate_up };
  PackedWeight(const at::Tensor& weight,  // [out, in], fp32 or bf16, on any device
               cuda::Format format, Rows rows);

  at::Tensor dense() const;  // bf16 [out, in]
  cuda::PackedWeight parameters() const;

  // Can a weight of this many rows be packed?
  static bool fits(int64_t out);

 private:
  int64_t out_, in_;
  cuda::Format format_;
  Rows rows_;
  PackedTensors packed_;
};

}  // namespace glm
