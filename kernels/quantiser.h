// Contract: turns the numbers of a weight into codes when it is loaded. With 4 bits each group of columns has a bf16
//   scale and a whole zero: the codes 0 to 15 span the group's values and 0. With 8 bits each row has a scale, by which
//   its largest value becomes 127. A CPU's codes and a GPU's packed weights (kernels/packed_weight.h) have the same
//   numbers.
// Roofline: memory; a weight is read once per load.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/coded_weight.h"

namespace glm {

struct FourBits {
  at::Tensor codes;   // u8 [..., group], 0 to 15
  at::Tensor scales;  // bf16 [...]
  at::Tensor zeros;   // bf16 [...], whole numbers from 0 to 15
};
FourBits four_bits(const at::Tensor& groups);  // fp32 [..., group]

struct ScaledRows {
  at::Tensor values;  // fp32 [..., in], from -largest to largest
  at::Tensor scales;  // fp32 [..., 1]
};
ScaledRows scaled_rows(const at::Tensor& rows,  // fp32 or bf16 [..., in]
                       double largest);

// Returns a weight in codes. coding: int4 or int8. A weight whose columns are no multiple of 128 gets 8 bits.
CodedWeight quantised(const at::Tensor& weight,  // fp32 or bf16 [out, in], on any device
                      CodedWeight::Coding coding);

}  // namespace glm
