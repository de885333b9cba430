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
  int64_t samples = 0;    // measurements; 0: the stage was cut off before it had one
  double seconds = 0;     // of one unit, the median of the samples
  std::string unit;       // "checkpoint", "token", "step", "picture", …
  double operations = 0;  // multiplications and additions a second; 0: they aren't what the stage takes
  double bytes = 0;       // of weights, read in a second; likewise
};

struct BenchReport {
  std::string device, product;  // "cpu", "cuda:0"; what the device calls itself
  std::string dtype, precision;
  int threads = 0;  // that compute on the CPU
  Details details;  // of the picture
  std::vector<BenchStage> stages;
  // What the device can do at most, measured in the same call: multiplications and additions a second in a product of
  // two large matrices of this dtype, and bytes read in a second.
  double operations = 0;
  double bytes = 0;
  double seconds = 0;      // of such a picture, without loading: what its stages take together
  int64_t peak_bytes = 0;  // as in Result
};

// Loads the checkpoint, and measures each stage of request's first picture for about `budget` seconds: it repeats a
// short stage, and cuts a long one off. The results are kept for plan(). begin: is told what is measured next. Throws
// what Pipeline's functions throw. Thread safe, but what else the machine does shows in the result.
GLM_API BenchReport bench(const std::filesystem::path& checkpoint, const LoadOptions& options, const Request& request,
                          double budget, const std::function<void(const std::string&)>& begin);

}  // namespace glm
