#include "tests/gpu/gpu_test.h"

#include <ATen/ATen.h>

#include <cstdio>
#include <cstdlib>

namespace glm {

// GLM_TEST_SEED repeats a run.
void GpuTest::SetUp() {
  std::string why_not;
  gpu_ = open_gpu(&why_not);
  if (gpu_ == nullptr) GTEST_SKIP() << why_not;
  const char* const given = std::getenv("GLM_TEST_SEED");
  seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  at::manual_seed(seed_);
}

void GpuTest::TearDown() {
  if (gpu_ == nullptr) return;
  synchronize(gpu_->device);
  if (HasFailure()) std::printf("GLM_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed_));
}

at::Tensor GpuTest::random_bf16(at::IntArrayRef shape) const {
  return at::empty(shape, on(at::kBFloat16)).normal_();
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.contiguous().view(at::kByte);
  const at::Tensor y = b.contiguous().view(at::kByte);
  return at::equal(x, y);
}

}  // namespace glm
