// Contract: a convolution that keeps height and width, with stride 1 and half a kernel of zeros on all sides; one of
//   pixels that are doubled in both directions before; one that halves them, with a row and a column of zeros below and
//   on the right; and one of patches, whose stride is its kernel. In bf16 each sum is fp32 and rounded once.
//   Upstream: torch.nn.Conv2d; Upsample2D and Downsample2D with theirs
// Roofline: compute; 2 * pixels * out * in * kernel^2. A doubled one takes 4 / 9 of that, where it is folded.
#pragma once

#include <ATen/core/Tensor.h>

namespace glm {

at::Tensor convolve(const at::Tensor& x,       // [P, in, H, W]
                    const at::Tensor& weight,  // [out, in, kernel, kernel], the kernel odd
                    const at::Tensor& bias);   // [out] -> [P, out, H, W]

at::Tensor convolve_doubled(const at::Tensor& x,       // [P, in, H, W]
                            const at::Tensor& weight,  // [out, in, 3, 3]
                            const at::Tensor& bias);   // [out] -> [P, out, 2 H, 2 W]

at::Tensor convolve_halved(const at::Tensor& x,       // [P, in, H, W]
                           const at::Tensor& weight,  // [out, in, 3, 3]
                           const at::Tensor& bias);   // [out] -> [P, out, H / 2, W / 2]

at::Tensor convolve_patches(const at::Tensor& x,       // [P, in, H, W], H and W multiples of the kernel
                            const at::Tensor& weight,  // [out, in, kernel, kernel]
                            const at::Tensor& bias);   // [out] or undefined -> [P, out, H / kernel, W / kernel]

}  // namespace glm
