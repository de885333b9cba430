// The one comparator.
#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include "tests/support/tolerance.h"

namespace glm {

// Is `actual` `expected`? Same shape and dtype; NaN and infinities in the same places; every other element within
// bound.of_largest * largest. A failure names the worst element: index, both values, how far of how much.
testing::AssertionResult near(const at::Tensor& actual, const at::Tensor& expected, double largest,
                              tolerance::Bound bound);

// Is bf16 `actual` `expected` but for roundings that fell the other way? None more than tolerance::kBf16Step of the
// largest, and one, or tolerance::kRoundedOtherwise of the elements, at most.
testing::AssertionResult equal_as_bf16(const at::Tensor& actual, const at::Tensor& expected);

// The cosine of the angle between both, in double. NaN when either holds a non-finite number or only zeros.
double cosine(const at::Tensor& a, const at::Tensor& b);

// Peak signal-to-noise ratio of two u8 pictures in dB; infinite when they are equal.
double psnr(const at::Tensor& a, const at::Tensor& b);

}  // namespace glm
