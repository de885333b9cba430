#include "engine/device/device.h"

#include <ATen/Context.h>
#include <ATen/Version.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <optional>

#include "base/free_memory.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {
namespace {

constexpr int kLeastCapability = 80;  // bf16 matrix units
constexpr const char* kInstall =
    "run third_party/install.sh, which installs the GPU set of LibTorch when it sees a driver";

std::string cuda_version(int64_t number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

// Loads LibTorch's CUDA library at its first call. Returns why the library can't be used, or nothing.
const std::string& load_problem() {
  static const std::string problem = []() -> std::string {
    // This program's RUNPATH or LD_LIBRARY_PATH leads to it. It registers its operations with the dispatcher, and stays
    // loaded.
    if (::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
      const char* reason = ::dlerror();
      return std::string("LibTorch's CUDA library can't be loaded (") +
             (reason != nullptr ? reason : "no reason given") + "); " + kInstall;
    }
    if (!at::detail::getCUDAHooks().hasCUDART()) {
      return "this process used LibTorch before it made a Pipeline; make the first Pipeline before any other use of "
             "LibTorch";
    }
    return {};
  }();
  return problem;
}

at::Device start(const CudaDevice& device) {
  at::Context& context = at::globalContext();
  try {
    context.lazyInitDevice(at::kCUDA);
  } catch (const c10::Error& e) {
    throw Error(ErrorCode::device, "cuda:" + std::to_string(device.index) + " (" + device.name +
                                       "): CUDA can't be started (" + e.what_without_backtrace() +
                                       "); is it free, and does nvidia-smi see it?");
  }
  context.setAllowTF32CuBLAS(false);
  context.setAllowTF32CuDNN(false);
  context.setAllowBF16ReductionCuBLAS(false);
  context.setAllowFP16ReductionCuBLAS(false);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
  return {at::kCUDA, static_cast<at::DeviceIndex>(device.index)};
}

// "cuda" -> 0, "cuda:3" -> 3, anything else -> -1
int gpu_index(const std::string& name) {
  if (name == "cuda") return 0;
  int index = -1;
  if (name.starts_with("cuda:")) {
    const char* end = name.data() + name.size();
    const std::from_chars_result read = std::from_chars(name.data() + 5, end, index);
    if (read.ec != std::errc() || read.ptr != end) return -1;
  }
  return index;
}

}  // namespace

std::string problem_of(const CudaDevice& device) {
  if (!device.problem.empty()) return device.problem;
  if (10 * device.major + device.minor < kLeastCapability) {
    return "expected a GPU of compute capability 8.0 or newer (Ampere), found " + std::to_string(device.major) + "." +
           std::to_string(device.minor) + "; use --device cpu";
  }
  if (!load_problem().empty()) return load_problem();
  const int64_t runtime = at::detail::getCUDAHooks().versionCUDART();
  if (device.driver / 1000 < runtime / 1000) {
    return "expected a driver for CUDA " + cuda_version(runtime) + " or newer, found one for " +
           cuda_version(device.driver) + "; update the NVIDIA driver";
  }
  if (!at::detail::getCUDAHooks().hasCUDA()) return "CUDA can't be started; does nvidia-smi see the GPU?";
  return {};
}

namespace {

// Opens the first GPU that can be used, or returns nothing. Appends to `passed_over` each one before it, with why it
// isn't used.
std::optional<at::Device> first_usable(const std::vector<CudaDevice>& all, std::string* passed_over) {
  for (const CudaDevice& device : all) {
    std::string problem = problem_of(device);
    if (problem.empty()) {
      try {
        return start(device);
      } catch (const Error& e) {
        problem = e.what();
      }
    }
    *passed_over += (passed_over->empty() ? "" : "; ");
    *passed_over += "the GPU " + device.name + " is not used: " + problem;
  }
  return std::nullopt;
}

}  // namespace

void check_libtorch() {
  static const std::string found = [] {
    const std::string all = at::show_config();  // "…, TORCH_VERSION=2.11.0, …"
    const std::string key = "TORCH_VERSION=";
    const size_t at = all.find(key);
    if (at == std::string::npos) return std::string("an unknown one");
    return all.substr(at + key.size(), all.find(',', at) - at - key.size());
  }();
  if (found == GLM_TORCH_VERSION) return;
  Dl_info place{};
  const bool known = ::dladdr(reinterpret_cast<void*>(&at::show_config), &place) != 0 && place.dli_fname != nullptr;
  refuse(ErrorCode::internal, "LibTorch", GLM_TORCH_VERSION,
         found + (known ? std::string(" in ") + place.dli_fname : ""),
         "another part of this process has loaded it before; use glm-image in a process of its own");
}

at::Device open_device(const std::string& name, std::string* note) {
  const int index = gpu_index(name);
  if (name != "auto" && name != "cpu" && index < 0) {
    refuse("device", "auto, cpu, cuda or cuda:N", "\"" + shortened(name, 60) + "\"");
  }
  std::string why;  // what is wrong with the GPUs that aren't taken
  const std::vector<CudaDevice> all = cuda_devices(&why);
  if (name == "cpu") {
    if (!all.empty()) load_problem();  // after the first computation on the CPU, this process couldn't load it any more
    return at::kCPU;
  }
  if (name == "auto" || (name == "cuda" && !all.empty())) {
    const std::optional<at::Device> opened = first_usable(all, &why);
    if (!opened && name == "cuda") throw Error(ErrorCode::device, "device cuda: " + why);
    if (note != nullptr) *note = why;
    return opened.value_or(at::kCPU);
  }
  if (all.empty()) {
    refuse(ErrorCode::device, "device " + name, "an NVIDIA GPU with its driver", why.empty() ? "none" : why,
           std::string("install the driver and ") + kInstall + ", or use --device cpu");
  }
  if (static_cast<size_t>(index) >= all.size()) {
    refuse(ErrorCode::device, "device " + name, "cuda:0 to cuda:" + std::to_string(all.size() - 1), "no such GPU",
           "glm-image devices lists them");
  }
  const CudaDevice& device = all[static_cast<size_t>(index)];
  const std::string problem = problem_of(device);
  if (!problem.empty()) throw Error(ErrorCode::device, "device " + name + " (" + device.name + "): " + problem);
  return start(device);
}

void synchronize(at::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

int64_t memory_of(at::Device device) {
  if (device.is_cpu()) return int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  return cuda_devices().at(static_cast<size_t>(device.index())).memory;
}

int64_t free_memory_of(at::Device device) {
  if (device.is_cpu()) return free_memory();
  return static_cast<int64_t>(c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
}

int64_t peak_memory_of(at::Device device) {
  if (device.is_cpu()) {
    rusage usage{};
    return ::getrusage(RUSAGE_SELF, &usage) == 0 ? int64_t{usage.ru_maxrss} * 1024 : 0;
  }
  constexpr auto kind = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return c10::getDeviceAllocator(device.type())->getDeviceStats(device.index()).reserved_bytes[kind].peak;
}

void release_cached_memory(at::Device device) {
  if (device.is_cpu()) return;
  try {
    c10::getDeviceAllocator(device.type())->emptyCache();
  } catch (const c10::Error&) {  // a GPU that has failed fails here, too, and the caller knows the reason
  }
}

}  // namespace glm
