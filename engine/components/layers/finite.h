// Watches numbers for NaN and infinity without asking the device each time.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "glm/error.h"

namespace glm {

Error not_finite(const std::string& what);  // model

class FiniteWatch {
 public:
  void see(const at::Tensor& values);  // any shape; remembers on the device whether all were finite

  // Throws Error(model) naming `what` when something was not. Reads the device once.
  void check(const std::string& what) const;

 private:
  at::Tensor finite_;  // bool []
};

}  // namespace glm
