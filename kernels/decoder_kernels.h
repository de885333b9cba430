// Contract: computes what stands between the products of the diffusion transformer and of the VAE. ATen computes it, or
//   our kernels do. Our GPU kernels compute in bf16, and only sizes that suit them. Our CPU kernels are in host/rows.
//   modulation.h, rotary.h and ATen's group_norm say what the results are.
//   Upstream: GlmImageTransformerBlock, GlmImageAttnProcessor, ResnetBlock2D
// Roofline: memory. At 1024x1024, both branches: 0.27 GB for a modulation, 0.27 GB for the heads of a layer.
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

// Tensors of pixels that would be larger than this are computed in bands of rows, so that they never exist as a whole.
inline constexpr int64_t kBandBytes = 512LL << 20;

// Computes with ATen what DecoderKernels::modulate() computes. Tests compare our kernels with this function.
// x: [R, D] -> [R, D]
at::Tensor modulate_by_aten(at::Tensor& x, const std::optional<Gated>& product, const std::vector<RowGroup>& groups,
                            const std::optional<Modulation>& modulation, double eps);

// Computes with ATen what DecoderKernels::norm_heads() computes.
at::Tensor norm_heads_by_aten(const at::Tensor& qkv,  // [R, 3, H, head]
                              const std::vector<SequenceRows>& sequences, const RotaryTable& rotary,
                              double eps);  // -> [R, 2, H, head]

class DecoderKernels {
 public:
  // library: our GPU kernels. It has to live as long as this object. If it is null, ATen computes on a GPU, and our CPU
  // kernels compute on a CPU. band_bytes: tests give less than kBandBytes.
  explicit DecoderKernels(const cuda::Library* library = nullptr, int64_t band_bytes = kBandBytes)
      : library_(library), band_bytes_(band_bytes) {}

  bool are_ours() const { return library_ != nullptr; }

  // Adds the gated product to x, which becomes the sum. Then norms the sum, modulates the norm, and returns that.
  // Without `product` nothing is added. Without `modulation` nothing is normed, and an undefined tensor is returned. x:
  // [R, D] -> [R, D]
  at::Tensor modulate(at::Tensor& x, const std::optional<Gated>& product, const std::vector<RowGroup>& groups,
                      const std::optional<Modulation>& modulation, double eps) const;

  // Norms each head of q and k. Then rotates the heads of the image rows by their place in the picture. Our kernels
  // change qkv, and their result is a view of qkv. ATen leaves qkv as it is.
  at::Tensor norm_heads(const at::Tensor& qkv,                       // [R, 3, H, head]
                        const std::vector<SequenceRows>& sequences,  // cover all of R, one behind the other
                        const RotaryTable& rotary,                   // [image, head]
                        double eps) const;                           // -> [R, 2, H, head]

  // Returns the group norm of pictures, or its SiLU.
  at::Tensor group_norm(const at::Tensor& x,           // [P, C, H, W]
                        int64_t groups,                // a divisor of C
                        const at::Tensor& weight,      // [C]
                        const at::Tensor& bias,        // [C]
                        double eps, bool silu) const;  // -> [P, C, H, W]

  // These two functions do the same in two steps. The first step takes the whole tensor; GroupStatistics does this step
  // for a tensor that exists only in bands. The second step can be done band by band. The statistics of a group are its
  // mean and 1 / sqrt(variance + eps).
  at::Tensor group_statistics(const at::Tensor& x,                // [P, C, H, W]
                              int64_t groups, double eps) const;  // -> fp32 [P, G, 2]
  at::Tensor group_norm_by(const at::Tensor& statistics,          // fp32 [P, G, 2]
                           const at::Tensor& x,                   // [P, C, rows, W]
                           const at::Tensor& weight,              // [C]
                           const at::Tensor& bias,                // [C]
                           bool silu) const;                      // -> [P, C, rows, W]

  // Says whether our kernels can compute the group norm of x. x: [P, C, rows, W]
  bool takes_groups(const at::Tensor& x, int64_t groups) const;

  // Returns how many rows of x a band has. If x is small enough, that is all of them. numbers_a_pixel: how many numbers
  // a pixel of x becomes in the tensor that is to be avoided. x: [P, C, H, W]
  int64_t band_rows(const at::Tensor& x, int64_t numbers_a_pixel) const;

 private:
  // Queues calls on the current stream of x's device. Throws what check_cuda_call() throws.
  void run(const at::Tensor& x, const std::vector<cuda::Call>& calls) const;

  // Returns the call with what both kernels of the group norm are told. x: in channels-last order
  static cuda::Call group_call(const at::Tensor& x, const at::Tensor& statistics);

  const cuda::Library* library_;
  int64_t band_bytes_;
};

// Computes the statistics of a tensor that exists only in bands of rows. It gets one band after the other.
class GroupStatistics {
 public:
  GroupStatistics(DecoderKernels kernels, int64_t groups, double eps) : kernels_(kernels), groups_(groups), eps_(eps) {}
  void add(const at::Tensor& rows);  // [P, C, rows, W]
  at::Tensor joined() const;         // fp32 [P, G, 2], as DecoderKernels::group_statistics() returns them

 private:
  DecoderKernels kernels_;
  int64_t groups_;
  double eps_;
  double count_ = 0;           // numbers of each group so far
  at::Tensor mean_, squares_;  // fp64 [P, G]. squares_: of the distances from the mean
};

}  // namespace glm
