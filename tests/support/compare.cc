#include "tests/support/compare.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/safetensors.h"

namespace glm {

testing::AssertionResult near(const at::Tensor& actual, const at::Tensor& expected, double largest,
                              tolerance::Bound bound) {
  if (actual.sizes() != expected.sizes() || actual.scalar_type() != expected.scalar_type()) {
    return testing::AssertionFailure() << "expected " << dtype_name(expected.scalar_type()) << " "
                                       << shape_text(expected.sizes()) << ", found " << dtype_name(actual.scalar_type())
                                       << " " << shape_text(actual.sizes());
  }
  if (expected.numel() == 0) return testing::AssertionFailure() << "nothing to compare";
  if (!std::isfinite(largest)) return testing::AssertionFailure() << "the largest value is not finite";
  const at::Tensor a = actual.to(at::kDouble).flatten();
  const at::Tensor e = expected.to(at::kDouble).flatten();
  // Equal elements, infinities too, are 0 apart; where only one is finite, or both are NaN or not, it is told below.
  at::Tensor apart = at::where(a == e, at::zeros_like(a), (a - e).abs());
  apart = at::where(at::isnan(a) & at::isnan(e), at::zeros_like(a), apart);
  apart = at::where(at::isnan(apart), at::full_like(apart, std::numeric_limits<double>::infinity()), apart);
  const double allowed = bound.of_largest * largest;
  const auto worst = apart.argmax().item<int64_t>();
  const auto distance = apart[worst].item<double>();
  if (distance <= allowed) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "element " << worst << " of " << a.numel() << ": expected "
                                     << e[worst].item<double>() << ", found " << a[worst].item<double>() << ", "
                                     << distance << " apart where " << allowed << " is allowed; "
                                     << (apart > allowed).sum().item<int64_t>() << " elements are too far";
}

testing::AssertionResult equal_as_bf16(const at::Tensor& actual, const at::Tensor& expected) {
  const auto largest = expected.abs().max().item<double>();
  if (auto result = near(actual, expected, largest, tolerance::kBf16Step); !result) return result;
  const auto differ = (actual != expected).sum().item<int64_t>();
  if (differ <= 1 || static_cast<double>(differ) <= tolerance::kRoundedOtherwise * expected.numel()) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << differ << " of " << expected.numel() << " elements differ by a rounding";
}

double cosine(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble).flatten();
  const at::Tensor y = b.to(at::kDouble).flatten();
  return (x.dot(y) / (x.norm() * y.norm())).item<double>();
}

double psnr(const at::Tensor& a, const at::Tensor& b) {
  const double error = (a.to(at::kDouble) - b.to(at::kDouble)).pow(2).mean().item<double>();
  return error == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(255.0 * 255.0 / error);
}

}  // namespace glm
