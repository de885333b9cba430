// clang-format off
#include "tests/kernels/simt_host.h"  // before the bodies
#include "kernels/cuda/formats/autoround.cuh"
#include "kernels/cuda/formats/bf16.cuh"
#include "kernels/cuda/formats/fp8.cuh"
#include "kernels/cuda/formats/int4.cuh"
#include "kernels/cuda/formats/int8.cuh"
#include "kernels/cuda/formats/sdnq4.cuh"
#include "kernels/cuda/formats/sdnq5.cuh"
#include "kernels/cuda/sampling.cuh"
#include "kernels/cuda/script.h"
#include "kernels/cuda/step.cuh"
// clang-format on

#include "tests/kernels/step_host.h"

#include "tests/kernels/decoder_host.h"

namespace glm {
namespace {

constexpr int kQueueBytes = cuda::queue_bytes(800);  // the shortest: it goes round most often

template <typename F, int kTeams>
void launch(const cuda::StepParams& p, int columns, const HostStep& how) {
  simt::launch(
      {.grid = {how.blocks, 1, 1},
       .threads = cuda::kThreads,
       .shared_bytes = cuda::step_shared_bytes<kTeams>(kQueueBytes),
       .order = how.order,
       .together = true,
       .teams = kTeams},
      [&] { columns == 1 ? cuda::step<F, 1, kQueueBytes, kTeams>(p) : cuda::step<F, 2, kQueueBytes, kTeams>(p); });
}

template <typename F>
void launch(const cuda::StepParams& p, int columns, const HostStep& how) {
  how.teams == 1 ? launch<F, 1>(p, columns, how) : launch<F, 2>(p, columns, how);
}

void launch(cuda::Format format, const cuda::StepParams& p, int columns, const HostStep& how) {
  cuda::with_format(format, [&](auto row) { launch<decltype(row)>(p, columns, how); });
}

}  // namespace

void run_step(const std::vector<cuda::Call>& asked, const HostStep& how) {
  std::vector<cuda::Call> calls = asked;
  cuda::keep_x_in_blocks(calls.data(), static_cast<int>(calls.size()));
  std::vector<cuda::Stream> streams;
  cuda::Format format = cuda::Format::bf16;
  int columns = 1;
  for (const cuda::Call& call : calls) {
    if (call.kernel != cuda::Kernel::linear) continue;
    streams.push_back(cuda::stream_of(call.linear));
    format = call.linear.weight.format;
    if (call.linear.batch > 8) columns = 2;
  }
  uint32_t barrier = 0;
  launch(format,
         {calls.data(), streams.data(), &barrier, static_cast<int>(calls.size()), static_cast<int>(streams.size())},
         columns, how);
}

void run_calls(const std::vector<cuda::Call>& calls, const HostStep& how) {
  for (const cuda::Call& call : calls) {
    switch (call.kernel) {
      case cuda::Kernel::sample:
        simt::launch({{call.sample.batch, 1, 1}, cuda::kSampleThreads, cuda::kSampleSharedBytes, how.order},
                     [&] { cuda::sample(call.sample); });
        break;
      case cuda::Kernel::modulate:
        run_modulate(call.modulate, how.order);
        break;
      case cuda::Kernel::heads:
        run_norm_heads(call.heads, how.order);
        break;
      case cuda::Kernel::group_statistics:
        run_group_statistics(call.group_norm, how.order);
        break;
      case cuda::Kernel::group_norm:
        run_group_norm(call.group_norm, how.order);
        break;
      default:
        run_step({call}, how);
    }
  }
}

}  // namespace glm
