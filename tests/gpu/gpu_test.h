// A test that needs a GPU: skipped, with the reason, where there is none.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <random>
#include <string>

#include "tests/gpu/gpu.h"
#include "tests/support/formats.h"

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

// Tests of a weight format are called Formats/Suite.Name/int4.
inline std::string test_name(const testing::TestParamInfo<cuda::Format>& info) {
  return name_of(info.param);
}

// Bit for bit, NaN too.
bool same_bits(const at::Tensor& a, const at::Tensor& b);

namespace cuda {
inline void PrintTo(Format format, std::ostream* out) {
  *out << name_of(format);
}
}  // namespace cuda

}  // namespace glm
