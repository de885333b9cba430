#include "glm/plan.h"

#include <ATen/ATen.h>

#include <optional>

#include "engine/boundary.h"
#include "engine/call_queue.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/config.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/weights.h"
#include "engine/device/compute_threads.h"
#include "engine/device/device.h"
#include "engine/device/shortest_time.h"
#include "engine/run/cost.h"
#include "engine/run/injection.h"
#include "engine/run/look_ahead.h"
#include "engine/run/measured_speeds.h"
#include "engine/run/memory.h"
#include "engine/run/precision.h"
#include "engine/run/prior.h"
#include "engine/run/prior_kernels.h"
#include "engine/run/settings.h"
#include "kernels/linear.h"
#include "tokenizer/glyph_text.h"
#include "tokenizer/prompt_layout.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr double kLaunchSeconds = 12e-6;  // to start an operation of LibTorch, on a CPU or a GPU
constexpr int64_t kOperations = 20;       // operations of a layer
constexpr int kTries = 3;                 // of a small product
constexpr double kConvolution = 0.5;      // speed of a convolution, as a part of a matrix product's

// How much this machine computes in a second with numbers of this type.
struct Speed {
  double work;    // multiplications and additions in products of two matrices
  double vector;  // weights read in products of a matrix and a vector

  Speed(at::Device device, at::ScalarType dtype) {
    constexpr int64_t rows = 64;
    constexpr int64_t side = 1024;
    constexpr int64_t wide_side = 4096;  // the matrix is larger than a cache
    const auto options = at::TensorOptions(dtype).device(device);
    const at::Tensor many = at::ones({rows, side}, options);
    const at::Tensor square = at::ones({side, side}, options);
    work = 2.0 * rows * side * side / shortest_time(device, kTries, [&] { linear_layer(many, square, {}); });
    const at::Tensor one = at::ones({1, wide_side}, options);
    const at::Tensor wide = at::ones({wide_side, wide_side}, options);
    vector = 1.0 * wide_side * wide_side / shortest_time(device, kTries, [&] { linear_layer(one, wide, {}); });
  }
};

// Predicts how long the call takes. Stages that were measured before are predicted by their measured speeds. The others
// are estimated: this computes a few small products and takes their speed.
double seconds_of(const ModelConfig& c, const Settings& s, const CallLoad& load, const Speeds& measured,
                  at::Device device, at::ScalarType dtype) {
  const Work w = work_of(c, s.canvas(), kPromptLength, load.references);
  std::optional<Speed> small;
  const auto estimated = [&]() -> const Speed& {
    if (!small) small.emplace(device, dtype);
    return *small;
  };
  const double launches = kOperations * kLaunchSeconds;
  const auto token = [&] {
    if (measured.read > 0) return w.read / measured.read;
    return w.read / estimated().vector + static_cast<double>(c.prior.layers) * launches;
  };
  const auto step = [&] {
    if (measured.step > 0) return w.step / measured.step;
    return w.step / estimated().work + static_cast<double>(c.dit.layers) * launches;
  };
  const auto by_convolutions = [&](double work, double speed) {
    return speed > 0 ? work / speed : work / (kConvolution * estimated().work);
  };
  const double prompt =
      measured.read > 0 ? 0 : w.prompt / estimated().work;  // the measured speed of the tokens includes the prompt
  const double each = prompt + static_cast<double>(w.tokens) * token() + static_cast<double>(s.steps) * step() +
                      by_convolutions(w.pixels, measured.pixels);
  const double read = load.references.empty() ? 0 : by_convolutions(w.references, measured.references);
  return read + each * static_cast<double>(load.pictures);
}

// Throws what a run would throw for an injected file or for a prompt that is too long.
void check_inputs(const CheckpointName& name, const ModelConfig& config, const Settings& s, const Request& request,
                  const std::vector<Grid>& references) {
  const Injection injected = injection_of(request);
  for (const char* instead : {"ar.in.input_ids", "ar.generated", "prior.ids", "latents.final_scaled"}) {
    if (injected.has(instead)) return;  // the prompt isn't read
  }
  const fs::path processor = name.folder / "processor";
  const PromptLayout layout = layout_prompt(TextTokenizer(processor / "tokenizer.json"),
                                            read_layout_tokens(processor / "tokenizer_config.json"), request.prompt,
                                            s.grid(), request.parse_special, references);
  check_positions({.ids = at::tensor(layout.ids, at::kLong).unsqueeze(0),
                   .preview = layout.preview,
                   .target = s.grid(),
                   .sources = references,
                   .sampling = {}},
                  config);
}

// Reads the headers of all weight files. Throws Error(model) for one that is missing, cut short or of another kind.
void check_weight_files(const fs::path& checkpoint) {
  for (const char* part : kComponentFolders) {
    (void)Weights(checkpoint / part, at::kFloat);
  }
}

Plan plan_here(const fs::path& checkpoint, const LoadOptions& options, const Request& request) {
  const CheckpointName name(checkpoint);
  const ModelConfig config(name.folder);
  if (!name.random) check_weight_files(name.folder);
  const at::ScalarType dtype = compute_dtype(options.dtype, config.dtype);
  const at::Device device = open_device(options.device);
  look_ahead_rows(options.look_ahead);
  const Precision precision = Precision::of(options.precision);
  check_precision(precision, name, dtype, device);
  check_kernels_option(options.kernels, device);
  std::string few;  // the load says it, too
  const int threads = start_compute_threads(threads_asked(options.threads), &few);
  const Settings s = settle(request, config);
  const CallLoad load = load_of(config, request, s, /*keeps_pictures=*/true);
  check_inputs(name, config, s, request, load.references);
  const Grid small = load.references.empty() ? preview_grid(s.grid()) : Grid{0, 0};
  const auto element = static_cast<double>(c10::elementSize(dtype));
  const auto measured = MeasuredSpeeds::of(device, threads, config, dtype, options);
  return {.device = device.str(),
          .dtype = dtype_option(dtype),
          .precision = precision.text(),
          .details = details_of(s, config),
          .grid_width = s.grid().width,
          .grid_height = s.grid().height,
          .preview_width = small.width,
          .preview_height = small.height,
          .tokens = work_of(config, s.canvas(), kPromptLength, load.references).tokens,
          .weight_bytes = bytes_of_weights(name, config, dtype, precision),
          .working_bytes = call_bytes(config, load, element),
          .free_bytes = free_memory_of(device),
          .seconds = seconds_of(config, s, load, measured.read(), device, dtype)};
}

}  // namespace

Plan plan(const fs::path& checkpoint, const LoadOptions& options, const Request& request) {
  std::optional<Plan> result;
  CallQueue queue;  // LibTorch's number of threads is set on its thread alone, which ends here
  queue.run([&] { result = guarded(at::kCPU, [&] { return plan_here(checkpoint, options, request); }); });
  return *result;
}

std::vector<std::string> quoted_texts(const std::string& prompt) {
  return guarded(at::kCPU, [&] { return find_glyph_texts(prompt); });
}

std::vector<std::string> unread_texts(const std::string& prompt) {
  return guarded(at::kCPU, [&] { return find_unread_texts(prompt); });
}

}  // namespace glm
