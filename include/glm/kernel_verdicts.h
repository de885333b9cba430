// What checking our CUDA kernels on a GPU has shown. Public; no LibTorch type.
#pragma once

#include <string>
#include <vector>

#include "glm/api.h"

namespace glm {

struct KernelVerdict {
  std::string kernel;       // linear, gate|up, attention, norm, sample
  std::string format;       // of its weight, as --precision has it: "bf16", …; empty: it has none, and all need it
  std::string shape;        // for people
  double error = 0;         // largest, as a part of ATen's largest value; of sample the share of other tokens
  double allowed = 0;       // error's bound
  double ms = 0;            // of one call; 0: not measured
  double reference_ms = 0;  // ATen's
  std::string problem;      // why the kernel isn't used; empty: it is good
  bool slower = false;      // the problem: ATen was faster when it was measured
};

struct GLM_API KernelReport {
  std::string card;   // the GPU, its driver
  std::string build;  // cuda::Library::build
  std::vector<KernelVerdict> verdicts;

  // May kernels of this format of weights be used?
  bool usable(const std::string& format) const { return first_problem(format).empty(); }
  // Why not, or nothing.
  std::string first_problem(const std::string& format) const;
};

}  // namespace glm
