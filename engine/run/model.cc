#include "engine/run/model.h"

#include <ATen/ATen.h>

#include <cstdio>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/process_end.h"
#include "base/refuse.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/weights.h"
#include "engine/device/device.h"
#include "engine/device/upload.h"
#include "engine/run/look_ahead.h"
#include "engine/run/memory.h"
#include "engine/run/precision.h"
#include "engine/run/prior_kernels.h"
#include "glm/cancel.h"
#include "glm/error.h"
#include "kernels/cuda/loader.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLanguage = "vision_language_encoder";

}  // namespace

// What the constructor needs: the checkpoint's files, and how their weights are to be kept.
struct Model::Loader {
  Loader(const fs::path& checkpoint, const std::string& dtype_name, at::Device to, const ModelOptions& options)
      : name(checkpoint),
        config(name.folder),
        dtype(compute_dtype(dtype_name, config.dtype)),
        device(to),
        access(options.map_weights && device.is_cpu() ? FileAccess::map : FileAccess::read),
        cancel(options.cancel),
        look_ahead(look_ahead_rows(options.look_ahead)),
        precision(checked_precision(options.precision)),
        kernels(choose_prior_kernels(
            config.prior, dtype, device,
            {precision.prior, options.kernels, options.cancel, name.random ? fs::path() : name.folder / kLanguage},
            &warnings)),
        decoder(options.decoder != nullptr   ? options.decoder
                : options.kernels == "force" ? cuda::load_library().library
                                             : nullptr),
        uploader(device.is_cpu() || name.random ? nullptr : std::make_shared<Uploader>(device)) {
    warnings.insert(warnings.end(), config.warnings.begin(), config.warnings.end());
    if (!kernels.no_look_ahead.empty()) {
      const bool is_news = look_ahead == 0 && kernels.decode;  // if our kernels don't decode, another warning says why
      if (look_ahead > 1 || is_news) warnings.push_back("look-ahead is off: " + kernels.no_look_ahead);
      look_ahead = 1;
    }
    check_weights_fit(bytes_of_weights(name, config, dtype, precision), dtype, device);
  }

  Precision checked_precision(const std::string& text) const {
    const Precision asked = Precision::of(text);
    check_precision(asked, name, dtype, device);
    return asked;
  }

  // Returns the weights of one of the checkpoint's folders, which is opened once for all components in it. Throws
  // Error(cancelled).
  const Weights& weights(const std::string& part) {
    if (process_is_ending() || (cancel != nullptr && cancel->cancelled()))
      throw Error(ErrorCode::cancelled, "cancelled");
    const auto known = opened.find(part);
    if (known != opened.end()) return known->second;
    return opened
        .emplace(part,
                 name.random ? Weights::random(dtype, device) : Weights(name.folder / part, dtype, uploader, access))
        .first->second;
  }

  CheckpointName name;
  ModelConfig config;
  at::ScalarType dtype;
  at::Device device;
  FileAccess access;
  const CancelToken* cancel;
  int64_t look_ahead;
  Precision precision;
  std::vector<std::string> warnings;
  PriorKernels kernels;
  DecoderKernels decoder;
  std::shared_ptr<Uploader> uploader;  // copies files to a GPU; null on the CPU and for random weights
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
      look_ahead(from.look_ahead),
      warnings(from.warnings),
      text_tokenizer(folder / "processor" / "tokenizer.json"),
      layout_tokens(read_layout_tokens(folder / "processor" / "tokenizer_config.json")),
      byte_tokenizer(folder / "tokenizer" / "tokenizer_config.json"),
      prior(prior_in_format(from.weights(kLanguage), from.precision.prior), config.prior, from.kernels),
      vision_tower(from.weights(kLanguage) / "model.visual", config.vision),
      image_tokenizer(from.weights(kLanguage) / "model.vqmodel", config.codebook),
      glyph_encoder(from.weights("text_encoder"), config.glyph),
      dit(dit_in_format(from.weights("transformer"), from.precision.dit), config.dit, from.decoder),
      vae_encoder(from.weights("vae"), config.vae, from.decoder),
      vae(from.weights("vae"), config.vae, from.decoder) {
  for (const auto& [name, weights] : from.opened) {
    weights.check_all_claimed();
    for (const std::string& warning : weights.warnings()) warnings.push_back(warning);
    if (from.access == FileAccess::map) mapped.push_back(weights);
  }
  if (from.uploader != nullptr) {
    from.uploader->finish();
    uploaded = {from.uploader->bytes(), from.uploader->seconds()};
  }
  if (!random_weights) check_ids();
}

void Model::check_mapped_files() const {
  for (const Weights& weights : mapped) weights.check_mapped_files();
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
    refuse(ErrorCode::model, (folder / "processor").string(),
           "\"" + known.token + "\" to have the id " + known.key + " (" + std::to_string(known.id) + ")",
           std::to_string(found));
  }
}

}  // namespace glm
