// What checking our CUDA kernels on a GPU has shown.
#pragma once

#include <string>
#include <vector>

#include "glm/api.h"

namespace glm {

struct KernelVerdict {
  std::string kernel;       // linear, gate|up, attention, norm, sample
  std::string format;       // its weight's: "bf16", …; empty: it has no weight, and models of every format need it
  std::string shape;        // for people
  double error = 0;         // largest difference / ATen's largest value; of sample, the share of tokens that differ
  double allowed = 0;       // error's bound
  double ms = 0;            // of one call; 0: not measured
  double reference_ms = 0;  // of ATen's operations for the same
  std::string problem;      // why the kernel isn't used; empty: it is good
  bool slower = false;      // the problem is that ATen was faster when it was measured
  bool look_ahead = false;  // what was checked is needed for look-ahead alone
};

struct GLM_API KernelReport {
  std::string card;   // the GPU and its driver
  std::string build;  // which build of our kernels
  std::vector<KernelVerdict> verdicts;

  // Says whether our kernels may be used for a model whose weights have this format.
  bool usable(const std::string& format) const { return first_problem(format).empty(); }
  // Returns why they may not, or an empty text. look_ahead: why they may not be used with look-ahead.
  std::string first_problem(const std::string& format, bool look_ahead = false) const;
};

}  // namespace glm
