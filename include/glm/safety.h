// A content-safety classifier: says whether a picture looks like one of 17 concepts that aren't safe. It looks at
// pictures alone, never at prompts. Like every classifier it misses some pictures and flags some harmless ones.
// Upstream: diffusers StableDiffusionSafetyChecker and transformers CLIPImageProcessor
//
//   glm::SafetyChecker checker("stable-diffusion-safety-checker");
//   if (checker.check(image).flagged) ...
//
// Every function throws glm::Error (glm/error.h) and nothing else, and prints nothing. A SafetyChecker belongs to the
// process that made it: in a child that this process forks, check() throws Error(usage), and the destructor does
// nothing. When the process ends, check() throws Error(cancelled).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "glm/api.h"
#include "glm/error.h"
#include "glm/image.h"

namespace glm {

// How near a picture is to each concept. A score is the cosine of the angle between the picture's embedding and the
// concept's, less the concept's threshold, rounded to thousandths. Upstream's names say no more of the concepts than
// their numbers.
struct SafetyScores {
  bool flagged = false;          // a score of `concepts` is above 0
  std::vector<double> concepts;  // [17]
  // [3], of concepts that ask for special care. From the first of them above 0 on, each later score, of `concepts` too,
  // is 0.01 higher.
  std::vector<double> special;
};

struct SafetyOptions {
  std::string device = "cpu";  // as LoadOptions::device: "cpu", "cuda:N", "cuda", "auto"
  int threads = 0;             // CPU threads, 0 .. 1024; 0: as many as the process may use
};

class GLM_API SafetyChecker {
 public:
  // Loads a checker in the public layout: config.json and model.safetensors (F32, F16 or BF16; computed in fp32), in
  // `folder` or in its folder safety_checker. preprocessor_config.json lies beside them or in the pipeline's folder
  // feature_extractor; without one upstream's defaults hold. Throws Error(model) naming the file, what was expected and
  // what was found, also for a checker of another class, one whose weights are in pytorch_model.bin alone, and one that
  // has tensors of nothing but zeros, as an interrupted download leaves them: it would flag no picture. Throws
  // Error(device) for a GPU that can't be used, Error(usage) for other options that can't be met, Error(memory), and
  // Error(cancelled).
  explicit SafetyChecker(const std::filesystem::path& folder, const SafetyOptions& options = {});
  ~SafetyChecker();
  SafetyChecker(SafetyChecker&&) noexcept;
  SafetyChecker& operator=(SafetyChecker&&) noexcept;

  // Returns the scores of a picture with sides of 1 to 16384 pixels. Upstream's forward() gives the same for the
  // picture alone. Only the middle of it is seen, a square of its shorter side. Throws Error(usage) for another
  // picture, or when the checker was moved from, Error(model) when the scores aren't finite, because that is no
  // verdict, Error(memory), Error(device) when the GPU fails, and Error(cancelled). Thread safe: calls run one after
  // the other.
  SafetyScores check(const Image& image) const;

 private:
  struct Engine;
  std::shared_ptr<Engine> engine_;
};

}  // namespace glm
