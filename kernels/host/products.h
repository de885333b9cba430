// Contract: torch's linear and conv2d in bf16, for a CPU without instructions for bf16. Products are fp32, and each sum
//   is rounded once. The bits depend neither on the number of threads nor on the processor's instructions. Up to 16
//   rows are added in another order than more rows are.
//   Upstream: torch.nn.Linear, torch.nn.Conv2d, and the Upsample2D before a Conv2d
// Roofline: compute; kernels/README.md has numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/host/codes.h"
#include "kernels/host/host_kernels.h"

namespace glm::host {

// Computes a product of up to 16 rows, with all threads. outs: how many outputs the weight has
void multiply_on_threads(const Product& product, int64_t outs);

// Says whether the following functions are the fastest for this tensor on this processor.
bool takes_products(const at::Tensor& x);

at::Tensor product(const at::Tensor& x,       // bf16 [..., in]
                   const at::Tensor& weight,  // bf16 [out, in]
                   const at::Tensor& bias);   // bf16 [out] or undefined -> bf16 [..., out]

// The same by a weight of codes, of which at most some tiles are numbers at a time. The bits are those of the numbers
// in a dense weight.
at::Tensor product(const at::Tensor& x,  // bf16 [..., in]
                   const Codes& codes,   // its type: bf16
                   int64_t outs,
                   const at::Tensor& bias);  // bf16 [out] or undefined -> bf16 [..., out]

// Convolves with stride 1, and with half a kernel of zeros on all sides.
at::Tensor convolution(const at::Tensor& x,       // bf16 [P, in, H, W]
                       const at::Tensor& weight,  // bf16 [out, in, kernel, kernel], the kernel odd
                       const at::Tensor& bias);   // bf16 [out] -> bf16 [P, out, H, W]

// Convolves with a kernel of 3 and stride 2, and with a row and a column of zeros below and on the right.
at::Tensor halved_convolution(const at::Tensor& x,       // bf16 [P, in, H, W]
                              const at::Tensor& weight,  // bf16 [out, in, 3, 3]
                              const at::Tensor& bias);   // bf16 [out] -> bf16 [P, out, H / 2, W / 2]

// Doubles the pixels in both directions, and then convolves with a kernel of 3. Each of the four outputs of a pixel
// sees only 2 x 2 pixels of x. So each is computed by a kernel of 2, whose weights are sums of the given ones in fp32.
at::Tensor doubled_convolution(const at::Tensor& x,       // bf16 [P, in, H, W]
                               const at::Tensor& weight,  // bf16 [out, in, 3, 3]
                               const at::Tensor& bias);   // bf16 [out] -> bf16 [P, out, 2 H, 2 W]

}  // namespace glm::host
