// What the shared library of our CUDA kernels offers. It is loaded when a GPU is asked for, and knows nothing of
// LibTorch. Its functions throw nothing. Where they return a text, it is null, or says what went wrong and stays until
// the thread's next call.
#pragma once

#include <stdint.h>

#include "kernels/cuda/decoder_parameters.h"
#include "kernels/cuda/parameters.h"

namespace glm::cuda {

enum class Kernel : int { linear, attention, norm, sample, modulate, heads, group_statistics, group_norm };
constexpr int kKernels = 8;

// Says whether a kernel is a part of a token's step. The others have a launch of their own for each call.
constexpr bool is_of_a_step(Kernel kernel) {
  return kernel == Kernel::linear || kernel == Kernel::attention || kernel == Kernel::norm;
}

// One kernel's work. A token's step is an array of calls.
struct Call {
  Kernel kernel;
  union {
    LinearParams linear;
    AttentionParams attention;
    NormParams norm;
    SampleParams sample;
    ModulateParams modulate;
    HeadsParams heads;
    GroupNormParams group_norm;  // and of group_statistics
  };
};

struct Library {
  const char* build;  // identifies the device code: changes with its sources, the compiler and the architectures

  // Queues the calls on a cudaStream_t of the current device, as the launches that script.h makes of them. The array
  // may be freed when it returns.
  const char* (*run)(const Call* calls, int count, void* stream);

  // Records the calls as one graph. `replay` queues the graph `times` times in a row. A graph can't overlap itself: a
  // replay must have ended on the device before one on another stream begins.
  const char* (*record)(const Call* calls, int count, void** graph);
  const char* (*replay)(void* graph, int times, void* stream);
  void (*discard)(void* graph);

  // Returns the current device's number of multiprocessors, or 0 when it can't be asked.
  int (*multiprocessors)();

  // Returns how many calls of a kernel were queued so far in this process, replayed ones too. Tests see by it whether
  // our kernels ran.
  uint64_t (*launches)(Kernel kernel);
};

// Returns how many parts of the inner size fill `multiprocessors` best: a weight of few tiles would leave some of them
// idle in the last round. The order in which a product is summed depends on it.
constexpr int choose_splits(const PackedWeight& weight, int multiprocessors) {
  if (multiprocessors < 1) return 1;  // the device couldn't be asked
  int best = 1;
  double best_share = 0;
  for (int splits = 1; splits <= 8 && weight.inner / kBlockInner >= 8 * splits; splits *= 2) {
    const int units = weight.rows / kTileRows * splits;
    const int rounds = (units + multiprocessors - 1) / multiprocessors;
    const double share = static_cast<double>(units) / rounds / multiprocessors;
    if (share > best_share + 0.03) {  // a split costs memory traffic of its own
      best = splits;
      best_share = share;
    }
  }
  return best;
}

// The only name that the library exports: extern "C" const Library* glm_cuda_library().
constexpr const char* kLibraryEntry = "glm_cuda_library";

}  // namespace glm::cuda
