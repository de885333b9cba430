// Prints what a block of a step asks of a multiprocessor beside its registers, for each architecture of the arguments:
// architecture, threads, bytes of shared memory.
// clang-format off
#include "tests/kernels/simt_host.h"  // before the bodies
#include "kernels/cuda/step.cuh"
// clang-format on

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const int arch = 10 * std::atoi(argv[i]);
    std::printf("%s %d %d\n", argv[i], glm::cuda::teams_of(arch) * glm::cuda::kThreads,
                glm::cuda::shared_bytes_of(arch));
  }
}
