#include "kernels/host/codes.h"

#include <algorithm>

#include "kernels/host/threads.h"

namespace glm::host {
namespace {

constexpr int64_t kWeightsWorthAThread = 1 << 16;  // fewer than of a dense weight, because decoding costs time, too

}  // namespace

void multiply_codes_on_threads(const Product& product, const Codes& codes, int64_t outs) {
  const int64_t groups = (outs + kOutsInCache - 1) / kOutsInCache;
  const int64_t grain = std::max<int64_t>(1, kWeightsWorthAThread / (product.in * kOutsInCache));
  on_threads(groups, grain, [&](int64_t begin, int64_t end) {
    best_kernels().multiply_codes(product, codes, begin * kOutsInCache, std::min(outs, end * kOutsInCache));
  });
}

void decode_on_threads(const Codes& codes, int64_t begin, int64_t end, float* to) {
  on_threads(end - begin, std::max<int64_t>(1, kWeightsWorthAThread / codes.in), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      best_kernels().decode(codes, begin + i, 0, codes.in, to + i * codes.in);
    }
  });
}

}  // namespace glm::host
