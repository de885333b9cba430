#include "glm/kernel_report.h"

#include <ATen/ATen.h>

#include "base/refuse.h"
#include "engine/boundary.h"
#include "engine/device/device.h"
#include "engine/device/trust/kernel_check.h"
#include "glm/error.h"
#include "kernels/cuda/loader.h"

namespace glm {
namespace {

at::Device open_gpu(const std::string& name) {
  std::string problem;
  if ((name == "auto" || name == "cuda" || name == "cuda:0") && cuda_devices(&problem).empty()) {
    refuse(ErrorCode::device, "our CUDA kernels", "an NVIDIA GPU with its driver", problem.empty() ? "none" : problem,
           "install the driver and run third_party/install.sh; without a GPU glm-image generate draws on the CPU");
  }
  std::string note;
  const at::Device device = open_device(name, &note);
  if (device.is_cpu()) {
    refuse(ErrorCode::device, "our CUDA kernels", "a GPU", "--device " + name + (note.empty() ? "" : "; " + note),
           "glm-image devices lists what there is");
  }
  return device;
}

}  // namespace

KernelReport kernel_report(const std::string& device, bool check_again) {
  return guarded(at::kCPU, [&] {
    const at::Device gpu = open_gpu(device);
    const cuda::Loaded& loaded = cuda::load_library();
    if (loaded.library == nullptr) {
      throw Error(ErrorCode::device, "our CUDA kernels can't be used: " + loaded.why_not +
                                         "; build with NVIDIA's compiler, which third_party/install.sh installs");
    }
    return known_kernels(gpu, check_again);
  });
}

}  // namespace glm
