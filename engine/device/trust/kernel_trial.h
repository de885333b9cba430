// A call of one of our kernels with inputs made for it, and how its results are judged.
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
    at::Tensor before;  // what the tensor holds when the call begins: NaN in all that a call must not read
  };
  struct Answer {
    double error = 0;     // as in KernelVerdict
    std::string problem;  // a fault that `error` doesn't show, or empty
  };

  std::string kernel, format, shape;  // as in KernelVerdict
  double allowed = 0;                 // likewise
  cuda::Call call{};
  std::vector<cuda::Call> others;  // calls that run after `call`, once each
  bool look_ahead = false;         // as in KernelVerdict
  bool repeatable = false;         // true: a second run on the call's own results leaves the same
  std::vector<at::Tensor> inputs;  // the tensors that the call reads, held for as long as the trial
  std::vector<Written> written;    // the tensors that the call writes
  std::function<Answer()> judge;   // compares what has been written with ATen's results

  // What is timed; both are empty in a trial that isn't. Our calls run one after the other, and after the last one the
  // first runs again. Each call with a weight has its own copy of it, so that the card's cache doesn't hold it. `aten`
  // gets the call's number, and picks a copy by it.
  std::vector<cuda::Call> timed;
  std::function<void(int call)> aten;
};

}  // namespace glm
