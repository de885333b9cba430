// Watches numbers for NaN and infinity without asking the device each time.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "glm/error.h"

namespace glm {

// Returns Error(model) for numbers that are not finite. what: their name in the plural, such as "latents".
Error not_finite(const std::string& what);

class FiniteWatch {
 public:
  // Remembers on the device whether all values so far were finite. values: of any shape.
  void see(const at::Tensor& values);

  // Throws Error(model) naming `what` when a value was not. Reads from the device once, and waits for it.
  void check(const std::string& what) const;

 private:
  at::Tensor finite_;  // bool []
};

}  // namespace glm
