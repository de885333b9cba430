// Random weights as the decode kernels read them, packed element by element after kernels/cuda/formats.h's table.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/coded_weight.h"
#include "kernels/cuda/parameters.h"

namespace glm {

// A quantised weight [rows, inner].
struct Codes {
  cuda::Format format;
  at::Tensor code;    // bf16: the values; fp8, sdnq5: e4m3; int8: i8; four bits: u8 0 .. 15
  at::Tensor scale;   // fp32 [rows] of fp8 and int8; [rows, groups]: bf16 of int4, fp16 of autoround, fp32 of SDNQ
  at::Tensor zero;    // [rows, groups], likewise; undefined of sdnq5
  at::Tensor values;  // double
  int64_t group = cuda::kGroupInner;
};

struct TestWeight {
  at::Tensor tiles;  // u8
  at::Tensor row_scales;
  at::Tensor group_scales;  // i32
  cuda::PackedWeight packed;
};

// group: columns of a group, where the format is one of a checkpoint's codes.
Codes random_codes(cuda::Format format, int64_t rows, int64_t inner, int64_t group = 32);
// A weight as a checkpoint has it. Every second weight of sdnq5 is in float5.
CodedWeight random_coded(cuda::Format format, int64_t rows, int64_t inner, int64_t group);
// Such a weight's codes, with a scale for each group of so many columns.
Codes codes_of(const CodedWeight& weight, cuda::Format format, int64_t group);
TestWeight pack_by_the_table(const Codes& codes);
// The rows of a gate|up weight in the order of its tiles.
at::Tensor gate_up_order(int64_t rows);

}  // namespace glm
