// Random weights as the decode kernels read them, packed element by element after kernels/cuda/formats.h's table.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/cuda/parameters.h"

namespace glm {

// A quantised weight [rows, inner]: value = scale * (code - zero).
struct Codes {
  cuda::Format format;
  at::Tensor code;    // bf16: the values; fp8: e4m3; int8: i8; int4: u8 0 .. 15
  at::Tensor scale;   // fp32 [rows] of fp8 and int8; bf16 [rows, groups] of int4
  at::Tensor zero;    // bf16 [rows, groups] of int4
  at::Tensor values;  // double
};

struct TestWeight {
  at::Tensor tiles;  // u8
  at::Tensor row_scales;
  at::Tensor group_scales;  // i32
  cuda::PackedWeight packed;
};

Codes random_codes(cuda::Format format, int64_t rows, int64_t inner);
TestWeight pack_by_the_table(const Codes& codes);
// The rows of a gate|up weight in the order of its tiles.
at::Tensor gate_up_order(int64_t rows);

}  // namespace glm
