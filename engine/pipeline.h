// GLM-Image as a library: load a checkpoint once, then turn prompts into pictures. This header is the public one; it
// holds no LibTorch type. Upstream: diffusers GlmImagePipeline
//
//   glm::Pipeline pipeline("models/nano", {});
//   glm::Result result = pipeline.generate({.prompt = "a red apple"}, {});
//   glm::write_png("apple.png", result.pictures[0].image);
//
// Every function throws glm::Error (base/error.h) and nothing else, and prints nothing. One call at a time per
// Pipeline.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/image.h"
#include "engine/rng.h"

namespace glm {

struct Model;
class ReferenceStore;

struct LoadOptions {
  std::string dtype = "auto";  // "float32", "bfloat16", or "auto": what the checkpoint was made for
  // "cpu", "cuda", "cuda:N", or "auto": the first GPU when there is one that can be used, else the CPU. The first
  // Pipeline of a process that draws on a GPU has to be made before any that draws on the CPU.
  std::string device = "auto";
  std::string prior_precision = "bf16";  // of the prior's weights on a GPU: "bf16", "fp8", "int8", "int4"
  std::string kernels = "auto";          // our CUDA kernels: "auto" (where they can be used), "off", "force"
  int threads = 0;                       // 0: as many as this machine has for the process
  // Memory to keep the last references' results in, so that the next call finds them; -1: a tenth of the device's
  int64_t reference_bytes = -1;
};

struct Request {
  std::string prompt;             // UTF-8; text to be drawn stands in quotes
  std::vector<Image> references;  // up to 8 pictures to start from (read_picture in engine/picture_file.h)
  // Pixels, 128 to 2048. What is no multiple of 32 is rendered at the next and cropped on the right and at the bottom.
  // Without both the checkpoint's default, with references the first one's aspect at the default's area.
  std::optional<int64_t> width;
  std::optional<int64_t> height;
  std::optional<int64_t> steps;       // 1 .. 1000
  std::optional<double> guidance;     // above 1: the prompt's pull is strengthened
  std::vector<uint64_t> seeds = {0};  // a picture for each, the same as a request of its own would give
  Rng rng = Rng::cuda;
  bool greedy = false;            // the likeliest image token instead of a drawn one
  bool parse_special = false;     // text such as "<sop>" is read as a special token, as upstream reads it
  bool allow_early_stop = false;  // the prior may end its grid early, as upstream's may; that is an error then
  std::filesystem::path dump;     // writes the stage tensors here when set
  bool dump_full = false;         // what stands inside the stages too
  std::filesystem::path inject;   // stage tensors to use instead of computing them
};

enum class Stage { references, prior, glyphs, denoise, decode };
const char* stage_name(Stage stage);  // "references", "tokens", "glyphs", "steps", "pixels": what the user sees

struct Callbacks {
  // When a stage begins, and after each token and step.
  std::function<void(Stage stage, int64_t done, int64_t total)> progress;
  std::function<bool()> cancelled;  // asked after each token and step; true ends the call with Error(cancelled)
};

struct Picture {
  uint64_t seed = 0;
  Image image;
};

struct Result {
  std::vector<Picture> pictures;  // in the order of the request's seeds
  int64_t rendered_width = 0;     // pixels before cropping; the grid has a cell for 32 of them
  int64_t rendered_height = 0;
  struct StageTime {
    Stage stage;
    double seconds;
    int64_t units;  // references, tokens, texts, steps, pictures; 0 when the stage was injected
  };
  std::vector<StageTime> times;
  std::vector<std::string> warnings;  // about the pictures
};

class Pipeline {
 public:
  // Loads a checkpoint in the public layout. Error(model) when something is missing or broken, Error(device) for a GPU
  // that can't be used, Error(memory) when it doesn't fit.
  Pipeline(const std::filesystem::path& checkpoint, const LoadOptions& options);
  ~Pipeline();
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;

  const PictureDefaults& defaults() const;
  const std::vector<std::string>& warnings() const;  // about the checkpoint and the device

  // Error(usage) for a request that can't be met, Error(cancelled), Error(io) for the dump.
  Result generate(const Request& request, const Callbacks& callbacks) const;

 private:
  int threads_;
  std::vector<std::string> warnings_;
  std::unique_ptr<const Model> model_;
  std::unique_ptr<ReferenceStore> references_;
};

}  // namespace glm
