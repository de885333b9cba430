// Prints what a launch of each decode kernel asks of a multiprocessor beside its registers: name, threads, bytes of
// shared memory. Products with one row of x as wide as the public model's.
// clang-format off
#include "tests/kernels/simt_host.h"  // before the bodies
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/linear.cuh"
#include "kernels/cuda/norm.cuh"
#include "kernels/cuda/sampling.cuh"
// clang-format on

#include <cstdio>

namespace glm::cuda {
namespace {

constexpr int kManyBlocks = 1 << 20;  // of which each has one unit at most: the most memory

template <typename F>
void print_linear(const char* format) {
  for (const int inner : {4096, 13696}) {
    LinearParams p{};
    p.weight.inner = inner;
    p.batch = 1;
    p.splits = 1;
    std::printf("%s-%d %d %d\n", format, inner, kLinearThreads, linear_shared_bytes<F>(p, kManyBlocks));
  }
}

}  // namespace
}  // namespace glm::cuda

int main() {
  using namespace glm::cuda;
  print_linear<Bf16Format>("bf16");
  print_linear<Fp8Format>("fp8");
  print_linear<Int8Format>("int8");
  print_linear<Int4Format>("int4");
  std::printf("attention %d %d\n", kAttentionThreads, kAttentionSharedBytes);
  std::printf("norm %d %d\n", kNormThreads, kNormSharedBytes);
  std::printf("sample %d %d\n", kSampleThreads, kSampleSharedBytes);
}
