#include "engine/components/layers/finite.h"

#include <ATen/ATen.h>

namespace glm {

Error not_finite(const std::string& what) {
  return {ErrorCode::model, "the " + what +
                                " are not finite: expected numbers, found NaN or infinity; is the "
                                "checkpoint damaged? Download it again, or try --dtype float32"};
}

void FiniteWatch::see(const at::Tensor& values) {
  const at::Tensor now = at::isfinite(values).all();
  finite_ = finite_.defined() ? at::logical_and(finite_, now) : now;
}

void FiniteWatch::check(const std::string& what) const {
  if (!finite_.defined() || finite_.item<bool>()) return;
  throw not_finite(what);
}

}  // namespace glm
