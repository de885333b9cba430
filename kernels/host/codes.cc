#include "kernels/host/codes.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace glm::host {
namespace {

constexpr int64_t kWeightsWorthAThread = 1 << 16;  // fewer than of a dense weight, because decoding costs time, too
constexpr int64_t kOutsTogether = 12;              // rows of the weight that are numbers at a time

}  // namespace

void multiply_codes_on_threads(const Product& product, const Codes& codes, int64_t outs) {
  const int64_t grain = std::max<int64_t>(kOutsTogether, kWeightsWorthAThread / product.in);
  at::parallel_for(0, outs, grain,
                   [&](int64_t begin, int64_t end) { best_kernels().multiply_codes(product, codes, begin, end); });
}

void decode_on_threads(const Codes& codes, int64_t begin, int64_t end, float* to) {
  at::parallel_for(begin, end, std::max<int64_t>(1, kWeightsWorthAThread / codes.in), [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      best_kernels().decode(codes, row, 0, codes.in, to + (row - begin) * codes.in);
    }
  });
}

}  // namespace glm::host
