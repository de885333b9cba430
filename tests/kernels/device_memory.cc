#include "tests/kernels/device_memory.h"

#include <ATen/ATen.h>
#include <sys/mman.h>

#include <cstring>
#include <stdexcept>

namespace glm {

at::Tensor device_empty(at::IntArrayRef shape, at::ScalarType dtype) {
  constexpr size_t kPage = 4096;
  const size_t bytes = (c10::multiply_integers(shape) * c10::elementSize(dtype) + 15) / 16 * 16;
  const size_t pages = (bytes + kPage - 1) / kPage * kPage;
  void* const begin = mmap(nullptr, pages + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED) throw std::runtime_error("no memory for a tensor");
  std::memset(begin, 0xFF, pages);
  mprotect(static_cast<char*>(begin) + pages, kPage, PROT_NONE);
  return at::from_blob(
      static_cast<char*>(begin) + pages - bytes, shape, [begin, pages](void*) { munmap(begin, pages + kPage); },
      at::TensorOptions(dtype));
}

at::Tensor device_copy(const at::Tensor& tensor) {
  return device_empty(tensor.sizes(), tensor.scalar_type()).copy_(tensor);
}

at::Tensor device_rows(const at::Tensor& x, int64_t zeros_to, int64_t stride) {
  const at::Tensor rows = device_empty({x.size(0), stride}, at::kBFloat16);
  rows.slice(1, 0, zeros_to).zero_();
  rows.slice(1, 0, x.size(1)).copy_(x);
  return rows;
}

}  // namespace glm
