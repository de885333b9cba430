#include "engine/run/model.h"

#include <ATen/ATen.h>

#include <cstdio>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/weights.h"
#include "engine/device/device.h"
#include "engine/device/trust/kernel_check.h"
#include "engine/device/upload.h"
#include "engine/run/cost.h"
#include "engine/run/token_decoder.h"
#include "glm/cancel.h"
#include "glm/error.h"
#include "kernels/cuda/loader.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLanguage = "vision_language_encoder";

cuda::Format format_of(const std::string& precision) {
  if (precision == "bf16") return cuda::Format::bf16;
  if (precision == "fp8") return cuda::Format::fp8;
  if (precision == "int8") return cuda::Format::int8;
  if (precision == "int4") return cuda::Format::int4;
  throw Error(ErrorCode::usage, "precision of the prior: expected bf16, fp8, int8 or int4, found " + precision);
}

// Why our kernels can't decode this model, or nothing.
std::string problem_of_kernels(const PriorConfig& c, at::ScalarType dtype) {
  if (dtype != at::kBFloat16) return "they compute in bfloat16, and the model in float32";
  if (!TokenDecoder::fits(c))
    return "they are made for 16 query heads a key/value head of 128, and this model has others";
  const cuda::Loaded& loaded = cuda::load_library();
  return loaded.library == nullptr ? loaded.why_not : "";
}

// warnings: gets a line where kernels that should be used can't be.
PriorKernels choose_kernels(const ModelConfig& c, at::ScalarType dtype, at::Device device, const ModelOptions& options,
                            std::vector<std::string>* warnings) {
  const cuda::Format format = format_of(options.prior_precision);
  const std::string& asked = options.kernels;
  if (asked != "auto" && asked != "off" && asked != "force") {
    throw Error(ErrorCode::usage, "kernels: expected auto, off or force, found " + asked);
  }
  const bool quantised = format != cuda::Format::bf16;
  if (device.is_cpu()) {
    if (quantised || asked == "force") {
      throw Error(ErrorCode::device,
                  (quantised ? "precision " + options.prior_precision : "our CUDA kernels") +
                      ": expected a GPU, found --device cpu; leave it out, or see glm-image devices");
    }
    return {};
  }
  if (quantised && dtype != at::kBFloat16) {
    throw Error(ErrorCode::usage, "precision " + options.prior_precision +
                                      ": expected --dtype bfloat16 beside it, found float32; leave one of them out");
  }
  std::string problem = problem_of_kernels(c.prior, dtype);
  if (asked == "force" && !problem.empty()) {
    throw Error(ErrorCode::device, "our CUDA kernels can't be used: " + problem);
  }
  if (asked == "auto" && problem.empty()) {
    const std::string found = known_kernels(device, /*check_again=*/false).first_problem(options.prior_precision);
    if (!found.empty()) problem = found + "; glm-image kernels shows what was checked, with --check anew";
  }
  const bool decode = asked != "off" && problem.empty();
  if (asked == "auto" && !decode && dtype == at::kBFloat16 && TokenDecoder::fits(c.prior)) {
    warnings->push_back("tokens are written by ATen, some times slower than by our CUDA kernels: " + problem);
  }
  if (!decode && !quantised) return {};
  return {.packing = format, .decode = decode};
}

// Before the kernel's killer finds out.
void check_memory(const ModelConfig& c, at::ScalarType dtype, at::Device device, const ModelOptions& options) {
  const auto element = static_cast<double>(c10::elementSize(dtype));
  const double need = weight_bytes(c, element, device.is_cpu() ? element : bytes_of_format(options.prior_precision));
  release_cached_memory(device);  // what an earlier model left
  const auto found = static_cast<double>(free_memory_of(device));
  if (need <= found) return;
  const auto gigabytes = [](double bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f GB", bytes / 1e9);
    return std::string(text);
  };
  const std::string advice = dtype == at::kFloat ? "take --dtype bfloat16, or end other programs"
                             : device.is_cpu()   ? "end other programs, or take a machine with more"
                                                 : "take --precision prior=int4, another GPU or --device cpu";
  throw Error(ErrorCode::memory, "expected " + gigabytes(need) + " of memory for the weights, found " +
                                     gigabytes(found) + " free on " +
                                     (device.is_cpu() ? "this machine" : device.str()) + "; " + advice);
}

}  // namespace

double bytes_of_format(const std::string& precision) {
  switch (format_of(precision)) {
    case cuda::Format::bf16:
      return 2;
    case cuda::Format::fp8:
    case cuda::Format::int8:
      return 1;
    case cuda::Format::int4:
      return 0.5;
  }
  return 2;
}

// Where a model comes from and goes to.
struct Model::Loader {
  Loader(const fs::path& checkpoint, const std::string& dtype_name, at::Device to, const ModelOptions& options)
      : name(checkpoint),
        config(name.folder),
        dtype(compute_dtype(dtype_name, config.dtype)),
        device(to),
        cancel(options.cancel),
        kernels(choose_kernels(config, dtype, device, options, &warnings)),
        uploader(device.is_cpu() || name.random ? nullptr : std::make_shared<Uploader>(device)) {
    check_memory(config, dtype, device, options);
  }

  // The weights of one of the checkpoint's folders, opened once for all components in it.
  const Weights& weights(const std::string& part) {
    if (cancel != nullptr && cancel->cancelled()) throw Error(ErrorCode::cancelled, "cancelled");
    const auto known = opened.find(part);
    if (known != opened.end()) return known->second;
    return opened
        .emplace(part, name.random ? Weights::random(dtype, device) : Weights(name.folder / part, dtype, uploader))
        .first->second;
  }

  CheckpointName name;
  ModelConfig config;
  at::ScalarType dtype;
  at::Device device;
  const CancelToken* cancel;
  std::vector<std::string> warnings;
  PriorKernels kernels;
  std::shared_ptr<Uploader> uploader;  // of files to a GPU
  std::map<std::string, Weights> opened;
};

Model::Model(const fs::path& checkpoint, const std::string& dtype_name, at::Device to, const ModelOptions& options)
    : Model(Loader(checkpoint, dtype_name, to, options)) {}

Model::Model(Loader&& from)
    : folder(from.name.folder),
      random_weights(from.name.random),
      config(from.config),
      dtype(from.dtype),
      device(from.device),
      warnings(from.warnings),
      text_tokenizer(folder / "processor" / "tokenizer.json"),
      layout_tokens(read_layout_tokens(folder / "processor" / "tokenizer_config.json")),
      byte_tokenizer(folder / "tokenizer" / "tokenizer_config.json"),
      prior(from.weights(kLanguage), config.prior, from.kernels),
      vision_tower(from.weights(kLanguage) / "model.visual", config.vision),
      image_tokenizer(from.weights(kLanguage) / "model.vqmodel", config.codebook),
      glyph_encoder(from.weights("text_encoder"), config.glyph),
      dit(from.weights("transformer"), config.dit),
      vae_encoder(from.weights("vae"), config.vae),
      vae(from.weights("vae"), config.vae) {
  for (const auto& [name, weights] : from.opened) weights.check_all_claimed();
  if (from.uploader != nullptr) {
    from.uploader->finish();
    uploaded = {from.uploader->bytes(), from.uploader->seconds()};
  }
  if (!random_weights) check_ids();
}

void Model::check_ids() const {
  struct Known {
    const std::string& token;
    const char* key;
    int64_t id;
  };
  for (const Known& known : {Known{layout_tokens.image_begin, "image_start_token_id", config.generation.image_begin},
                             Known{layout_tokens.image_end, "image_end_token_id", config.generation.image_end},
                             Known{layout_tokens.image, "image_token_id", config.generation.image_token}}) {
    const int64_t found = text_tokenizer.id_of(known.token);
    if (found == known.id) continue;
    throw Error(ErrorCode::model, (folder / "processor").string() + ": expected \"" + known.token +
                                      "\" to have the id " + known.key + " (" + std::to_string(known.id) + "), found " +
                                      std::to_string(found));
  }
}

}  // namespace glm
