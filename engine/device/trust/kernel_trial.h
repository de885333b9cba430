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
  bool repeatable = false;         // does the call leave the same when it runs again on its own results?
  std::vector<at::Tensor> inputs;  // the inputs: tensors that the call reads, held for as long as the trial
  std::vector<Written> written;    // the tensors that the call writes
  std::function<Answer()> judge;   // compares what has been written with ATen's results

  // What is timed; both are empty in a trial that isn't. Our calls follow each other and begin again. Calls with a
  // weight have a copy of it each, so that the card's cache doesn't hold it. `aten` gets the call's number, to pick a
  // copy likewise.
  std::vector<cuda::Call> timed;
  std::function<void(int call)> aten;
};

}  // namespace glm
