// A call of one of our kernels with inputs of its own, and how its results are judged.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda/library.h"

namespace glm {

struct KernelTrial {
  struct Written {
    at::Tensor tensor;
    at::Tensor before;  // what is there when the call begins: NaN where nothing is read
  };
  struct Answer {
    double error = 0;     // as KernelVerdict has it
    std::string problem;  // what no number tells
  };

  std::string kernel, format, shape;  // as KernelVerdict has them
  double allowed = 0;
  cuda::Call call{};
  bool repeatable = false;        // does the call leave the same when it runs again?
  std::vector<at::Tensor> kept;   // what it reads
  std::vector<Written> written;   // what it writes
  std::function<Answer()> judge;  // what has been written

  // To be timed, or empty: calls to take by turns, so that a weight isn't in the card's cache, and ATen's operations.
  std::vector<cuda::Call> turns;
  std::function<void(int turn)> aten;
};

}  // namespace glm
