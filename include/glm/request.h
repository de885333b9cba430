// What a pipeline is asked for, and what it gives: plain values. This header is public; it holds no LibTorch type.
// Upstream: the arguments and results of diffusers GlmImagePipeline
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "glm/api.h"
#include "glm/cancel.h"
#include "glm/image.h"
#include "glm/rng.h"

namespace glm {

struct LoadOptions {
  std::string dtype = "auto";   // "float32", "bfloat16", or "auto": what the checkpoint was made for
  std::string device = "auto";  // "cpu", "cuda", "cuda:N", or "auto": the first GPU that can be used, else the CPU
  std::string prior_precision = "bf16";  // of the prior's weights on a GPU: "bf16", "fp8", "int8", "int4"
  std::string kernels = "auto";          // our CUDA kernels: "auto" (where they can be used), "off", "force"
  int threads = 0;                       // 0: as many as this machine has for the process
  // Memory to keep the last references' results in, so that the next call finds them; -1: a tenth of the device's
  int64_t reference_bytes = -1;
  // On a CPU weights whose type is computed with stay in the checkpoint's files, which are mapped: loading takes no
  // time and processes share the memory. Until the pipeline has gone nobody may write to these files or shorten them (a
  // resumed download, rsync --inplace): pictures would change, or SIGBUS would end the process.
  bool map_weights = false;
  const CancelToken* cancel = nullptr;  // asked between the parts of the checkpoint
};

struct Request {
  std::string prompt;              // UTF-8; text to be drawn stands in quotes
  std::vector<std::string> texts;  // text to be drawn, instead of what stands in quotes
  std::vector<Image> references;   // up to 8 pictures to start from (read_picture in glm/picture_file.h)
  // Pixels, 128 to 2048. What is no multiple of 32 is rendered at the next and cropped on the right and at the bottom.
  // Without both the checkpoint's default, with references the first one's aspect at the default's area.
  std::optional<int64_t> width;
  std::optional<int64_t> height;
  std::optional<double> aspect;       // instead of both: width / height, 1/16 .. 16, at the default's area
  std::optional<int64_t> steps;       // 1 .. 1000
  std::optional<double> guidance;     // above 1: the prompt's pull is strengthened
  std::vector<uint64_t> seeds = {0};  // a picture for each, the same as a request of its own would give
  Rng rng = Rng::cuda;
  // How an image token is drawn; without them as generation_config.json or glm_image.json say.
  std::optional<double> temperature;  // 1e-6 .. 1e6
  std::optional<double> top_p;        // 0 .. 1; 1 is off
  std::optional<int64_t> top_k;       // 0 .. 2^24; 0 is off
  bool greedy = false;                // the likeliest image token instead of a drawn one
  bool parse_special = false;         // text such as "<sop>" is read as a special token, as upstream reads it
  bool allow_early_stop = false;      // the prior may end its grid early, as upstream's may; that is an error then
  std::filesystem::path dump;         // writes the stage tensors here when set
  bool full_taps = false;             // dump and Callbacks::tap: what stands inside the stages too
  std::filesystem::path inject;       // stage tensors to use instead of computing them
};

enum class Stage { references, prior, glyphs, denoise, decode };
GLM_API const char* stage_name(Stage stage);  // "references", "tokens", "glyphs", "steps", "pixels": what the user sees

struct Picture {
  uint64_t seed = 0;
  Image image;
};

// What a picture is about to become, after some steps: a pixel for each latent, by a linear map that is fitted to the
// checkpoint's VAE at the first preview.
struct Preview {
  uint64_t seed = 0;
  int64_t step = 0;  // steps that are done
  Image image;       // of Details' latent_width and latent_height
};

// A stage's tensor; engine/README.md lists the names. `bytes` is valid during the call.
struct StageTensor {
  std::string name;
  std::string dtype;  // as safetensors name them: "F32", "BF16", "I64", "U8", …
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // dense, the last dimension first
};

// Called on the pipeline's thread, not to call the pipeline from. What one throws ends the call and comes out of it; of
// what isn't an Error the text, as Error(internal).
struct Callbacks {
  // When a stage begins, and after each reference, token, step and picture.
  std::function<void(Stage stage, int64_t done, int64_t total)> progress;
  std::function<void(Picture)> picture;  // each as soon as it is finished; Result::pictures stays empty then
  std::function<void(const Preview&)> preview;
  int64_t preview_every = 1;  // steps; the last one has none
  std::function<void(const StageTensor&)> tap;
  const CancelToken* cancel = nullptr;  // asked after each token and step: Error(cancelled)
};

struct Result {
  std::vector<Picture> pictures;  // in the order of the request's seeds
  int64_t rendered_width = 0;     // pixels before cropping: whole tokens
  int64_t rendered_height = 0;
  struct StageTime {
    Stage stage;
    double seconds;
    int64_t units;  // references, tokens, texts, steps, pictures; 0 when the stage was injected
  };
  std::vector<StageTime> times;
  int64_t peak_bytes = 0;             // of the device's memory: on a CPU the process's, on a GPU LibTorch's
  std::vector<std::string> warnings;  // about the pictures
};

// The grid that the prior writes for a picture, row by row, of Details' grid_width and grid_height.
struct Tokens {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<int64_t> ids;
};

// What the VAE makes a picture of: [channels][height][width], of Details' latent sizes.
struct Latents {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<float> values;
};

// A request with everything filled in that it left to the checkpoint.
struct Details {
  int64_t width = 0;  // of the pictures, in pixels
  int64_t height = 0;
  int64_t rendered_width = 0;
  int64_t rendered_height = 0;
  int64_t steps = 0;
  double guidance = 0;
  double temperature = 0;
  double top_p = 0;
  int64_t top_k = 0;
  int64_t grid_width = 0;  // of the tokens
  int64_t grid_height = 0;
  int64_t latent_channels = 0;
  int64_t latent_width = 0;
  int64_t latent_height = 0;
};

}  // namespace glm
