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
    find("cuInit", &init);
    find("cuDriverGetVersion", &version);
    find("cuDeviceGetCount", &count);
    find("cuDeviceGet", &get);
    find("cuDeviceGetName", &name);
    find("cuDeviceTotalMem_v2", &memory);
    find("cuDeviceGetAttribute", &attribute);
  }
  bool complete() const { return library_ != nullptr && missing_ == 0; }

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

}  // namespace

std::vector<CudaDevice> cuda_devices() {
  const CudaDriver driver;
  int version = 0;
  int count = 0;
  if (!driver.complete() || driver.init(0) != 0 || driver.version(&version) != 0 || driver.count(&count) != 0)
    return {};
  std::vector<CudaDevice> all;
  for (int i = 0; i < count; ++i) {
    CudaDevice found;
    found.index = i;
    found.driver = version;
    int device = 0;
    char name[256] = "";
    size_t memory = 0;
    if (driver.get(&device, i) != 0 || driver.name(name, sizeof name, device) != 0 ||
        driver.memory(&memory, device) != 0 || driver.attribute(&found.major, kCapabilityMajor, device) != 0 ||
        driver.attribute(&found.minor, kCapabilityMinor, device) != 0 ||
        driver.attribute(&found.multiprocessors, kMultiprocessors, device) != 0) {
      return {};  // this GPU doesn't answer, and the ones after it may have another number in LibTorch
    }
    found.name = name;
    found.memory = static_cast<int64_t>(memory);
    all.push_back(found);
  }
  return all;
}

}  // namespace glm
