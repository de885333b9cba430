#include "kernels/convolution.h"

#include <ATen/ATen.h>

#include "kernels/host/products.h"

namespace glm {

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return host::takes_products(x) ? host::convolution(x, weight, bias)
                                 : at::conv2d(x, weight, bias, 1, weight.size(2) / 2);
}

at::Tensor convolve_doubled(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return host::takes_products(x) ? host::doubled_convolution(x, weight, bias)
                                 : convolve(at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}), weight, bias);
}

}  // namespace glm
