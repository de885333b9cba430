#include "kernels/cuda/loader.h"

#include <dlfcn.h>

namespace glm::cuda {
namespace {

Loaded load() {
  void* const handle = dlopen("libglm_cuda.so", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = dlerror();
    return {nullptr, why != nullptr ? why : "libglm_cuda.so can't be loaded"};
  }
  const auto entry = reinterpret_cast<const Library* (*)()>(dlsym(handle, kLibraryEntry));
  if (entry == nullptr) return {nullptr, std::string("libglm_cuda.so has no ") + kLibraryEntry};
  return {entry(), ""};
}

}  // namespace

const Loaded& load_library() {
  static const Loaded loaded = load();
  return loaded;
}

}  // namespace glm::cuda
