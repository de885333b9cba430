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

at::Tensor convolve_halved(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  // The padding's order is left, right, top, bottom.
  return host::takes_products(x) ? host::halved_convolution(x, weight, bias)
                                 : at::conv2d(at::constant_pad_nd(x, {0, 1, 0, 1}), weight, bias, /*stride=*/2);
}

at::Tensor convolve_patches(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t kernel = weight.size(2);
  if (!host::takes_products(x)) return at::conv2d(x, weight, bias, kernel);
  const at::Tensor patches = x.reshape({x.size(0), x.size(1), x.size(2) / kernel, kernel, x.size(3) / kernel, kernel})
                                 .permute({0, 2, 4, 1, 3, 5})
                                 .flatten(3);  // [P, rows, columns, in * kernel * kernel]
  return host::product(patches, weight.flatten(1), bias).permute({0, 3, 1, 2});
}

}  // namespace glm
