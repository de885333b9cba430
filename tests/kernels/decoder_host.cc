// clang-format off
#include "tests/kernels/simt_host.h"  // before the bodies
#include "kernels/cuda/group_norm.cuh"
#include "kernels/cuda/heads.cuh"
#include "kernels/cuda/modulate.cuh"
// clang-format on

#include "tests/kernels/decoder_host.h"

namespace glm {
namespace {

constexpr int kBlocks = 3;  // fewer than there are rows, so that a block does several

simt::Launch rows_launch(int64_t shared_bytes, uint64_t order) {
  return {.grid = {kBlocks, 1, 1}, .threads = cuda::kRowThreads, .shared_bytes = shared_bytes, .order = order};
}

simt::Launch chunks_launch(const cuda::GroupNormParams& p, int64_t shared_bytes, uint64_t order) {
  return {.grid = {static_cast<int>(cuda::group_norm_chunks(p.pixels)), p.pictures, 1},
          .threads = cuda::kRowThreads,
          .shared_bytes = shared_bytes,
          .order = order};
}

}  // namespace

void run_modulate(const cuda::ModulateParams& p, uint64_t order) {
  simt::launch(rows_launch(cuda::kSumSlots * sizeof(float), order), [&] {
    switch (cuda::vectors_of(p.dim)) {
      case 1:
        return cuda::modulate<1>(p);
      case 2:
        return cuda::modulate<2>(p);
      default:
        return cuda::modulate<4>(p);
    }
  });
}

void run_norm_heads(const cuda::HeadsParams& p, uint64_t order) {
  simt::launch(rows_launch(0, order), [&] { cuda::heads(p); });
}

void run_group_statistics(const cuda::GroupNormParams& p, uint64_t order) {
  constexpr int64_t moments = cuda::kRowThreads * sizeof(cuda::Moments);
  simt::launch(chunks_launch(p, 2 * moments, order), [&] { cuda::chunk_statistics(p); });
  simt::launch({.grid = {p.pictures, 1, 1}, .threads = cuda::kRowThreads, .shared_bytes = moments, .order = order},
               [&] { cuda::picture_statistics(p); });
}

void run_group_norm(const cuda::GroupNormParams& p, uint64_t order) {
  simt::launch(chunks_launch(p, 0, order), [&] { cuda::group_norm(p); });
}

}  // namespace glm
