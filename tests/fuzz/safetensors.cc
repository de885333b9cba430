#include "engine/checkpoint/safetensors.h"

#include <ATen/ATen.h>

#include "glm/error.h"
#include "tests/fuzz/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const glm::SafetensorsFile file(path_of(data, size));
    for (const auto& [name, info] : file.tensors()) {  // every byte that it says is there
      const at::Tensor tensor = file.tensor(name);
      const auto* bytes = static_cast<const volatile uint8_t*>(tensor.data_ptr());
      for (size_t i = 0; i < tensor.nbytes(); ++i) static_cast<void>(bytes[i]);
    }
  } catch (const glm::Error&) {
  }
  return 0;
}
