// Contract: a weight [out, in] in codes, as a checkpoint of quantised weights has it, or as kernels/quantiser.h makes
// it:
//   a code of 4, 5 or 8 bits for each number, and a scale and perhaps a zero for each group of columns of a row
//   (kernels/host/codes.h). Codes of 4 bits take half a byte, and others take one.
//   On a CPU up to 16 rows are multiplied by codes that become numbers in the first caches; more rows, and all rows on
//   another device, by tiles of the weight that become numbers in memory. The bits of a bf16 result are those of the
//   same numbers in a dense weight.
//   Upstream: auto-round's QuantLinear, sdnq's SDNQDequantizer
// Roofline: memory for a few rows: out * in * bits / 8 bytes and the scales; compute for many: 2 * rows * out * in.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "kernels/host/codes.h"

namespace glm {

struct CodedWeight {
  // What the codes stand for, and how a number is made of it. A level is what a code stands for before it is scaled.
  enum class Coding {
    auto_round,  // levels 0 to 15. number = (level - zero) * scale, rounded to fp16. Without zeros the zero is 8.
    uint4,       // levels 0 to 15. number = level * scale + zero, rounded once to the type of the scale
    int5,        // levels -16 to 15. number = level * scale, likewise
    float5,      // e3m1 without infinities. number = level * scale, likewise
    int4,        // ours: levels 0 to 15. number = (level - zero) * scale
    int8,        // ours: levels -128 to 127. number = level * scale
  };

  Coding coding = Coding::auto_round;
  int64_t in = 0;
  int64_t group = 0;  // columns of a group; the last one may have fewer
  at::Tensor codes;   // u8 [out, in / 2], the lower half of a byte first; 5 and 8 bits: u8 [out, in]
  at::Tensor scales;  // fp16, bf16 or fp32 [out, groups]
  at::Tensor zeros;   // likewise, or undefined

  int64_t out() const { return codes.size(0); }
  int bits() const;  // of a code: 4, 5 or 8

  // Returns the numbers of the rows begin .. end-1, rounded to `dtype` in the end: fp32 or bf16 [end - begin, in].
  at::Tensor numbers(at::ScalarType dtype, int64_t begin, int64_t end) const;
  // Does the same in ATen's operations, which run on any device.
  at::Tensor numbers_by_aten(at::ScalarType dtype, int64_t begin, int64_t end) const;
  // Returns what the CPU's kernels are told; it is valid as long as this object. dtype: fp32 or bf16
  host::Codes host_codes(at::ScalarType dtype) const;
};

// Stacks weights of the same input, whose rows stand one below the other then. Returns nothing where they differ in
// more than their rows.
std::optional<CodedWeight> stacked(const std::vector<CodedWeight>& weights);

// y = x W^T + b
at::Tensor coded_linear(const at::Tensor& x,  // fp32 or bf16 [..., in]
                        const CodedWeight& weight,
                        const at::Tensor& bias);  // [out] or undefined -> [..., out]

}  // namespace glm
