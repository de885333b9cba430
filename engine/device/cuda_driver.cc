#include "engine/device/cuda_driver.h"

#include <dlfcn.h>

namespace glm {
namespace {

// The part of the driver's interface that is used here, as CUDA's documentation has it. Every function returns 0 for
// success.
class CudaDriver {
 public:
  CudaDriver() {
    library_ = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);  // stays loaded: LibTorch uses it too
    if (library_ == nullptr) return;
    find("cuGetErrorString", &error_string);
    find("cuInit", &init);
    find("cuDriverGetVersion", &version);
    find("cuDeviceGetCount", &count);
    find("cuDeviceGet", &get);
    find("cuDeviceGetName", &name);
    find("cuDeviceTotalMem_v2", &memory);
    find("cuDeviceGetAttribute", &attribute);
  }
  bool found() const { return library_ != nullptr; }
  bool complete() const { return missing_ == 0; }

  // "the NVIDIA driver can't X (error 803: system has unsupported display driver / cuda driver combination)"
  std::string failure(const std::string& what, int error) const {
    const char* text = nullptr;
    if (error_string(error, &text) != 0 || text == nullptr) text = "an unknown error";
    return "the NVIDIA driver can't " + what + " (error " + std::to_string(error) + ": " + text + ")";
  }

  int (*error_string)(int error, const char** text) = nullptr;
  int (*init)(unsigned flags) = nullptr;
  int (*version)(int* version) = nullptr;
  int (*count)(int* count) = nullptr;
  int (*get)(int* device, int ordinal) = nullptr;
  int (*name)(char* name, int size, int device) = nullptr;
  int (*memory)(size_t* bytes, int device) = nullptr;
  int (*attribute)(int* value, int attribute, int device) = nullptr;

 private:
  template <typename Function>
  void find(const char* symbol, Function* function) {
    *function = reinterpret_cast<Function>(::dlsym(library_, symbol));
    if (*function == nullptr) ++missing_;
  }

  void* library_ = nullptr;
  int missing_ = 0;
};

// Numbers of CUdevice_attribute.
constexpr int kMultiprocessors = 16;
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;

constexpr int kNoDevice = 100;  // CUDA_ERROR_NO_DEVICE

CudaDevice device_of(const CudaDriver& driver, int index) {
  CudaDevice found;
  found.index = index;
  found.name = "GPU " + std::to_string(index);
  int device = 0;
  char name[256] = "";
  size_t memory = 0;
  int error = driver.get(&device, index);
  if (error == 0) error = driver.name(name, sizeof name, device);
  if (error == 0) found.name = name;
  if (error == 0) error = driver.memory(&memory, device);
  if (error == 0) error = driver.attribute(&found.major, kCapabilityMajor, device);
  if (error == 0) error = driver.attribute(&found.minor, kCapabilityMinor, device);
  if (error == 0) error = driver.attribute(&found.multiprocessors, kMultiprocessors, device);
  found.memory = static_cast<int64_t>(memory);
  if (error != 0) found.problem = driver.failure("ask this GPU", error) + "; does nvidia-smi see it?";
  return found;
}

// Returns how many GPUs there are, and writes the CUDA version to *version. 0, with the reason in *problem, where the
// driver can't say.
int count_of(const CudaDriver& driver, int* version, std::string* problem) {
  if (!driver.complete()) {
    *problem = "the NVIDIA driver lacks functions that CUDA has; update it";
    return 0;
  }
  int count = 0;
  int error = driver.init(0);
  if (error == 0) error = driver.version(version);
  if (error == 0) error = driver.count(&count);
  if (error == 0) return count;
  if (error != kNoDevice) *problem = driver.failure("start CUDA", error) + "; does nvidia-smi see the GPU?";
  return 0;
}

}  // namespace

std::vector<CudaDevice> cuda_devices(std::string* problem) {
  const CudaDriver driver;
  std::vector<CudaDevice> all;
  if (!driver.found()) return all;
  int version = 0;
  std::string ignored;
  const int count = count_of(driver, &version, problem != nullptr ? problem : &ignored);
  for (int i = 0; i < count; ++i) {
    all.push_back(device_of(driver, i));
    all.back().driver = version;
  }
  return all;
}

}  // namespace glm
