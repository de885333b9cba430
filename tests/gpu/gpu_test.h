// A test that needs a GPU: skipped, with the reason, where there is none.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "tests/gpu/gpu.h"

namespace glm {

// Seeds torch anew for each test; a failing test prints the seed.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  const Gpu& gpu() const { return *gpu_; }
  at::TensorOptions on(at::ScalarType dtype) const { return at::TensorOptions(gpu_->device).dtype(dtype); }
  at::Tensor random_bf16(at::IntArrayRef shape) const;

 private:
  const Gpu* gpu_ = nullptr;
  uint64_t seed_ = 0;
};

// Bit for bit, NaN too.
bool same_bits(const at::Tensor& a, const at::Tensor& b);

}  // namespace glm
