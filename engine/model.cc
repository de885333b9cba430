#include "engine/model.h"

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "base/error.h"
#include "engine/upload.h"
#include "engine/weights.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

const std::string kRandom = "random:";

at::ScalarType compute_dtype(const std::string& asked, const std::string& checkpoint) {
  const std::string name = asked == "auto" ? checkpoint : asked;
  if (name == "bfloat16") return at::kBFloat16;
  // A float16 checkpoint computes in float32: upstream's VAE overflows in float16.
  if (name == "float32" || (asked == "auto" && name == "float16")) return at::kFloat;
  throw Error(ErrorCode::usage, "dtype: expected auto, float32 or bfloat16, found " + name);
}

}  // namespace

// Where a model comes from and goes to.
struct Model::Loader {
  Loader(const fs::path& checkpoint, const std::string& dtype_name, at::Device to)
      : random(checkpoint.string().starts_with(kRandom)),
        folder(random ? fs::path(checkpoint.string().substr(kRandom.size())) : checkpoint),
        config(folder),
        dtype(compute_dtype(dtype_name, config.dtype)),
        device(to),
        uploader(device.is_cpu() || random ? nullptr : std::make_shared<Uploader>(device)) {}

  // left: what of the component's weights another part of the program loads.
  template <typename Component, typename Config>
  Component load(const char* name, const Config& part, const std::vector<std::string>& left) const {
    const Weights w = random ? Weights::random(dtype, device) : Weights(folder / name, dtype, uploader);
    for (const std::string& other : left) w.leave(other);
    Component component(w, part);
    w.check_all_claimed();
    return component;
  }

  bool random;
  fs::path folder;
  ModelConfig config;
  at::ScalarType dtype;
  at::Device device;
  std::shared_ptr<Uploader> uploader;  // of files to a GPU
};

Model::Model(const fs::path& checkpoint, const std::string& dtype_name, at::Device to)
    : Model(Loader(checkpoint, dtype_name, to)) {}

Model::Model(const Loader& from)
    : folder(from.folder),
      random_weights(from.random),
      config(from.config),
      dtype(from.dtype),
      device(from.device),
      text_tokenizer(folder / "processor" / "tokenizer.json"),
      layout_tokens(read_layout_tokens(folder / "processor" / "tokenizer_config.json")),
      byte_tokenizer(folder / "tokenizer" / "tokenizer_config.json"),
      // Left for picture to picture: the vision tower with its codebook, and the VAE's encoder.
      prior(from.load<PriorTransformer>("vision_language_encoder", config.prior, {"model.visual", "model.vqmodel"})),
      glyph_encoder(from.load<GlyphEncoder>("text_encoder", config.glyph, {})),
      dit(from.load<Dit>("transformer", config.dit, {})),
      vae(from.load<VaeDecoder>("vae", config.vae, {"encoder", "quant_conv"})) {
  if (from.uploader != nullptr) {
    from.uploader->finish();
    uploaded = {from.uploader->bytes(), from.uploader->seconds()};
  }
  const int64_t begin = text_tokenizer.id_of(layout_tokens.image_begin);
  if (!random_weights && begin != config.generation.image_begin) {
    throw Error(ErrorCode::model, (folder / "processor").string() + ": expected \"" + layout_tokens.image_begin +
                                      "\" to have the id image_start_token_id (" +
                                      std::to_string(config.generation.image_begin) + "), found " +
                                      std::to_string(begin));
  }
}

}  // namespace glm
