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
    const int teams = glm::cuda::teams_of(arch);
    const int queue = glm::cuda::queue_bytes(arch);
    std::printf("%s %d %d\n", argv[i], teams * glm::cuda::kThreads,
                teams == 1 ? glm::cuda::step_shared_bytes<1>(queue) : glm::cuda::step_shared_bytes<2>(queue));
  }
}
