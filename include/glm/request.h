// What a pipeline is asked for, and what it gives: plain values, without a LibTorch type.
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
  std::string dtype = "auto";  // "float32", "bfloat16", or "auto": what the checkpoint was made for
  std::string device =
      "auto";  // "cpu", "cuda:N", "cuda" (the first GPU that can be used), or "auto" (the same, else the CPU)
  // What is made of a checkpoint in bf16, for each component: "prior=int4,dit=int8". The prior may be bf16 (as the
  // checkpoint has it), fp8 (on a GPU), int8 or int4, and the diffusion transformer bf16, int8 or int4. A component
  // that isn't named is bf16.
  std::string precision = {};
  // Which of our CUDA kernels compute. "auto": those that write tokens, if they pass their check. The kernels of the
  // diffusion transformer and the VAE don't compute then, because nobody has measured them yet. "off": none. "force":
  // all of them.
  std::string kernels = "auto";
  // How many image tokens of a picture are computed at once, the next one and guesses of those behind it: "auto" (what
  // turns out to be fastest), "off", or a number from 1 to 16. It changes no token, only how long they take. On a GPU
  // our CUDA kernels can do it; where they can't, it is off.
  std::string look_ahead = "auto";
  // CPU threads, 0 .. 1024; 0: as many as the process may use. Where the system gives fewer, Pipeline::warnings() says
  // so
  int threads = 0;
  // The most bytes that the latest references' results may take, which are stored for the next call; -1: a tenth of the
  // device's memory
  int64_t reference_bytes = -1;
  // On a CPU: maps the checkpoint's files and leaves those weights there that already have the type to compute in. Then
  // loading takes no time, and processes share the memory. As long as the pipeline lives nobody may write to the files
  // or shorten them (a resumed download, rsync --inplace). What was done to them is seen at a call's begin and after
  // each token and step: Error(model). In between, a file that is cut short ends the process by SIGBUS. Where a file
  // system can't map files, they are read.
  bool map_weights = false;
  const CancelToken* cancel = nullptr;  // asked between the checkpoint's folders: Error(cancelled)
};

struct Request {
  std::string prompt;              // UTF-8; text to be drawn stands in quotes
  std::vector<std::string> texts;  // text to be drawn, instead of what stands in quotes; none is empty
  std::vector<Image> references;   // up to 8 pictures to start from (read_picture in glm/picture_file.h)
  // Pixels, 128 to 2048. A side that is no multiple of 32 is rendered at the next multiple, then cropped on the right
  // or at the bottom. Without both sides the picture has the checkpoint's default size, or, where there are references,
  // the first one's aspect at the default size's area.
  std::optional<int64_t> width;
  std::optional<int64_t> height;
  std::optional<double> aspect;    // instead of both: width / height, 1/16 .. 16, at the default size's area
  std::optional<int64_t> steps;    // 1 .. 1000
  std::optional<double> guidance;  // 0 .. 1000; above 1 the prompt has more effect, and steps take about twice as long
  std::vector<uint64_t> seeds = {0};  // 1 to 1024; a picture for each, the same as in a request of its own
  Rng rng = Rng::cuda;
  // How an image token is drawn. What isn't set is as glm_image.json or generation_config.json has it.
  std::optional<double> temperature;  // 1e-6 .. 1e6
  std::optional<double> top_p;        // 0 .. 1; 1 is off
  std::optional<int64_t> top_k;       // 0 .. 2^24; 0 is off
  bool greedy = false;                // takes the likeliest image token instead of drawing one
  bool parse_special = false;         // reads text such as "<sop>" as a special token, as upstream does
  bool allow_early_stop = false;      // lets the prior end too early, as upstream does; a short grid is Error(model)
  std::filesystem::path dump;         // safetensors file to write the stage tensors to; empty: none
  bool replace_dump = true;           // false: the dump replaces no file, not even one that has just been made
  bool full_taps = false;             // dump and Callbacks::tap get the tensors inside the stages, too
  std::filesystem::path inject;       // safetensors file of stage tensors to use instead of computing them
};

enum class Stage { references, tokens, glyphs, steps, pixels };
GLM_API const char* stage_name(Stage stage);  // as users see it: "references", "tokens", "glyphs", "steps", "pixels"

struct Picture {
  uint64_t seed = 0;
  Image image;
};

// A small picture of what the latents are going to become, with one pixel for each latent. A linear map computes it
// from the latents. Before the first preview the pipeline fits this map to the checkpoint's VAE.
struct Preview {
  uint64_t seed = 0;
  int64_t step = 0;  // steps that are done
  Image image;       // latent_width x latent_height pixels, as Details has them
};

// A tensor of a stage. engine/README.md lists the names. `bytes` is valid until the callback returns.
struct StageTensor {
  std::string name;
  std::string dtype;  // as safetensors name it: "F32", "BF16", "I64", "U8", …
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // dense; neighbours in the last dimension are neighbours here
};

// Functions that a call calls back, on the pipeline's thread. Each may be empty. A callback must not call
// generate() or one of its parts on the same pipeline: that would wait for itself, and throws Error(usage). An
// exception that a callback throws ends the call. An Error comes out of the call as it is, another exception as
// Error(internal) with the same text.
struct Callbacks {
  // Called when a stage begins, and after each reference, pass of tokens, step and picture. done and total count the
  // references, tokens, steps or pictures of all pictures of the call. A call that runs out of memory frees the stored
  // references, if there are any, and begins again from the first stage, unless another callback was called before.
  std::function<void(Stage stage, int64_t done, int64_t total)> progress;
  std::function<void(Picture)> picture;  // gets each picture when it is finished; Result::pictures stays empty then
  std::function<void(const Preview&)> preview;
  int64_t preview_every = 1;  // steps from one preview to the next; the last step has none
  std::function<void(const StageTensor&)> tap;
  const CancelToken* cancel = nullptr;  // asked while the call waits, and whenever progress is due: Error(cancelled)
};

struct Result {
  std::vector<Picture> pictures;  // in the order of the request's seeds
  int64_t rendered_width = 0;     // pixels before cropping; a whole number of tokens
  int64_t rendered_height = 0;
  struct StageTime {
    Stage stage;
    double seconds;
    int64_t units;  // references, tokens, prompts (glyphs), steps or pictures that are done; 0 tokens: injected
  };
  std::vector<StageTime> times;
  int64_t token_passes = 0;  // over the prior's weights to write the tokens, not counting those that read prompts
  // The most memory that this process has had so far; on a GPU, the most that LibTorch has taken there. Only generate()
  // fills it in.
  int64_t peak_bytes = 0;
  std::vector<std::string> warnings;  // about the pictures
};

// The grid of image tokens that the prior writes for a picture. Its sides are Details' grid_width and grid_height.
struct Tokens {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<int64_t> ids;  // [height][width]
};

// The denormalised latents that the VAE decoder makes a picture of. The sizes are Details' latent_channels, _height and
// _width.
struct Latents {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  std::vector<float> values;  // [channels][height][width]
};

// A request with the checkpoint's defaults for all that it left open, and the sizes that follow from it.
struct Details {
  int64_t width = 0;  // pixels of a picture
  int64_t height = 0;
  int64_t rendered_width = 0;
  int64_t rendered_height = 0;
  int64_t steps = 0;
  double guidance = 0;
  double temperature = 0;
  double top_p = 0;
  int64_t top_k = 0;
  int64_t grid_width = 0;  // tokens
  int64_t grid_height = 0;
  int64_t latent_channels = 0;
  int64_t latent_width = 0;
  int64_t latent_height = 0;
};

}  // namespace glm
