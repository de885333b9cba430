// Contract: what stands between the products of the diffusion transformer and of the VAE. ATen computes it, or our CUDA
//   kernels do, in bf16 and where the sizes suit them. modulation.h, rotary.h and ATen's group_norm say what.
//   Upstream: GlmImageTransformerBlock, GlmImageAttnProcessor, ResnetBlock2D
// Roofline: memory. At 1024x1024, both branches: 0.27 GB for a modulation, 0.20 GB for the heads of a layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/cuda/library.h"
#include "kernels/modulation.h"
#include "kernels/rotary.h"

namespace glm {

// A product that is to be added to the residual, and its gate's table.
struct Gated {
  at::Tensor y;     // [R, D]
  at::Tensor gate;  // [G, D]
};

// The tables of a norm's modulation.
struct Modulation {
  at::Tensor scale;  // [G, D]
  at::Tensor shift;  // [G, D]
};

// The rows of a sequence: text, then image.
struct SequenceRows {
  int64_t text;
  int64_t image;
};

class DecoderKernels {
 public:
  // library: our kernels, or null for ATen. It has to live as long as this object.
  explicit DecoderKernels(const cuda::Library* library = nullptr) : library_(library) {}

  bool are_ours() const { return library_ != nullptr; }

  // Adds the gated product to x, and returns the sum's norm with its modulation. x: [R, D], becomes the sum. Without
  // `modulation` nothing is normed, and the result is undefined. -> [R, D]
  at::Tensor modulate(at::Tensor& x, const std::optional<Gated>& product, const std::vector<RowGroup>& groups,
                      const std::optional<Modulation>& modulation, double eps) const;

  // Norms each head of q and k, and rotates those of the image rows by their place in the picture. In place.
  void norm_heads(const at::Tensor& qkv,                       // [R, 3, H, head]
                  const std::vector<SequenceRows>& sequences,  // cover all of R, one behind the other
                  const RotaryTable& rotary,                   // [image, head]
                  double eps) const;

  // Returns the group norm of pictures, or its SiLU.
  at::Tensor group_norm(const at::Tensor& x,           // [P, C, H, W]
                        int64_t groups,                // a divisor of C
                        const at::Tensor& weight,      // [C]
                        const at::Tensor& bias,        // [C]
                        double eps, bool silu) const;  // -> [P, C, H, W]

 private:
  // Queues a call on the current stream of x's device. Throws Error(device) when the library can't.
  void run(const at::Tensor& x, const std::vector<cuda::Call>& calls) const;

  const cuda::Library* library_;
};

}  // namespace glm
