// Contract: a weight [out, in], rearranged once for the decode kernels (kernels/cuda/formats.h draws the order) and
//   quantised where the format asks for it; or codes of a checkpoint, rearranged as they are. fp8 e4m3 and int8 have a
//   scale for each output row, whose largest value becomes 448 or 127. int4 has a scale and a whole zero for each 128
//   columns of a row: the codes 0 to 15 span its values and 0. The columns are padded with zeros to a multiple of 64.
//   `out` is a multiple of 16. A weight whose columns are no multiple of 128 becomes int8 where int4 is asked for.
// Roofline: memory; twice the weight's bytes, once per load, and dense() once per layer and prompt.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "kernels/coded_weight.h"
#include "kernels/cuda/parameters.h"
#include "kernels/packers/packer.h"

namespace glm {

class PackedWeight {
 public:
  // gate_up: the rows are gate, then up, and the kernel writes silu(gate) * up.
  enum class Rows { plain, gate_up };
  // Throws c10::Error unless fits(out).
  PackedWeight(const at::Tensor& weight,  // [out, in], fp32 or bf16, on any device
               cuda::Format format, Rows rows);

  // Throws c10::Error unless fits(weight.out()) and format_of() has a format for its kind.
  PackedWeight(const CodedWeight& weight, Rows rows);  // on any device

  // Draws a weight whose dense() is exactly what the kernels compute with. group: columns of a group, where the format
  // is one of codes.
  static PackedWeight drawn(cuda::Format format, WeightShape shape, int64_t group, Rows rows, const DrawWhole& whole);

  // Returns the weight that the kernels compute with, rounded to bf16: [out, in].
  at::Tensor dense() const;
  // Returns the weight as the kernels take it. The pointers are valid as long as this object lives.
  cuda::PackedWeight parameters() const;

  // Says whether a weight of this many rows can be packed.
  static bool fits(int64_t out);
  // Returns the format in which the kernels read such codes, or nothing.
  static std::optional<cuda::Format> format_of(const CodeKind& codes);

  int64_t out() const { return out_; }

 private:
  int64_t out_, in_;
  cuda::Format format_{};
  Rows rows_;
  PackedTensors packed_;
};

}  // namespace glm
