// Measures how fast a checkpoint runs on this machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "glm/api.h"
#include "glm/cancel.h"
#include "glm/request.h"

namespace glm {

// A stage of a picture, or a part of one.
struct BenchStage {
  std::string name;       // "load", "prompt", "tokens", "references", "glyphs", "step", "pixels"
  int64_t samples = 0;    // how often it was measured; 0: it was cut off before its first unit was done
  double seconds = 0;     // of one unit, the median of the samples
  std::string unit;       // "checkpoint", "token", "step", "picture", …
  double operations = 0;  // multiplications and additions in a second; 0: they aren't counted for this stage
  double bytes = 0;       // bytes of weights that are read in a second; 0: likewise
};

struct BenchReport {
  std::string device, product;  // "cpu", "cuda:0"; what the device calls itself
  std::string dtype, precision;
  int threads = 0;  // that compute on the CPU
  Details details;  // of the picture
  std::vector<BenchStage> stages;
  // The limits of the device, measured in the same call: multiplications and additions in a second, when two large
  // matrices of this dtype are multiplied; and bytes that are read in a second.
  double operations = 0;
  double bytes = 0;
  double seconds = 0;      // what such a picture takes, without loading and without references
  int64_t peak_bytes = 0;  // as in Result
};

// Loads the checkpoint, and measures each stage of request's first picture for about `budget` seconds: it repeats a
// short stage, and cuts a long one off. The results are kept for plan(). begin: is told what is measured next. Throws
// what Pipeline's functions throw. Thread safe, but what else the machine does shows in the result.
GLM_API BenchReport bench(const std::filesystem::path& checkpoint, const LoadOptions& options, const Request& request,
                          double budget, const std::function<void(const std::string&)>& begin);

}  // namespace glm
