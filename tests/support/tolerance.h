// Every tolerance of the tests. Loosening one is a commit of its own, with the reason.
#pragma once

namespace glm::tolerance {

// How far a number may be from upstream's, as a part of the largest value of upstream's tensor.
struct Bound {
  double of_largest;
};

constexpr Bound kExact{0.0};
constexpr Bound kStage{1e-5};      // fp32, one stage fed with upstream's input
constexpr Bound kChained{2e-4};    // fp32, steps fed with our own results
constexpr int kPictureLevels = 1;  // of 255, fp32, the whole way

constexpr double kBf16Cosine = 0.9995;  // logits and noise predictions, with upstream's tokens and noise
constexpr double kBf16Psnr = 40.0;      // dB, the picture

// bf16 results of kernels, each operation rounded as ATen rounds it: an fp32 sum in another order is another last bit,
// which now and then turns a rounding to bf16. A step of the largest value is 2^-7 of it or less.
constexpr Bound kBf16Step{0x1p-7};
constexpr double kRoundedOtherwise = 0.01;  // the share of elements that may differ at all

// A sampled token may be another than ATen's where an id's probability, added to all that is less likely, is this close
// to the nucleus' edge in double, or the race's first two are a few of fp32's last bits apart; few tokens are.
constexpr double kNucleusEdge = 1e-5;
constexpr double kRaceTie = 1e-6;
constexpr double kNearTies = 0.02;

// Tensor cores cut their fp32 sums off instead of rounding them, so that hundreds of steps lean to one side: 2^-24 of
// the sum for each of the 107 steps of a warp in the longest product, three to four times that for cancelling ones.
constexpr Bound kTensorCoreSum{3e-5};

}  // namespace glm::tolerance
