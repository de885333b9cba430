#include "engine/model.h"

#include <ATen/ATen.h>

#include <vector>

#include "base/error.h"
#include "engine/weights.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

at::ScalarType compute_dtype(const std::string& asked, const std::string& checkpoint) {
  const std::string name = asked == "auto" ? checkpoint : asked;
  if (name == "bfloat16") return at::kBFloat16;
  // A float16 checkpoint computes in float32: upstream's VAE overflows in float16.
  if (name == "float32" || (asked == "auto" && name == "float16")) return at::kFloat;
  throw Error(ErrorCode::usage, "dtype: expected auto, float32 or bfloat16, found " + name);
}

// left: what of the folder's weights another part of the program loads.
template <typename Component, typename Config>
Component load(const fs::path& folder, at::ScalarType dtype, const Config& config,
               const std::vector<std::string>& left) {
  const Weights w(folder, dtype);
  for (const std::string& name : left) w.leave(name);
  Component component(w, config);
  w.check_all_claimed();
  return component;
}

}  // namespace

Model::Model(const fs::path& checkpoint, const std::string& dtype_name)
    : folder(checkpoint),
      config(checkpoint),
      dtype(compute_dtype(dtype_name, config.dtype)),
      text_tokenizer(checkpoint / "processor" / "tokenizer.json"),
      layout_tokens(read_layout_tokens(checkpoint / "processor" / "tokenizer_config.json")),
      byte_tokenizer(checkpoint / "tokenizer" / "tokenizer_config.json"),
      // Left for picture to picture: the vision tower with its codebook, and the VAE's encoder.
      prior(load<PriorTransformer>(checkpoint / "vision_language_encoder", dtype, config.prior,
                                   {"model.visual", "model.vqmodel"})),
      glyph_encoder(load<GlyphEncoder>(checkpoint / "text_encoder", dtype, config.glyph, {})),
      dit(load<Dit>(checkpoint / "transformer", dtype, config.dit, {})),
      vae(load<VaeDecoder>(checkpoint / "vae", dtype, config.vae, {"encoder", "quant_conv"})) {
  const int64_t begin = text_tokenizer.id_of(layout_tokens.image_begin);
  if (begin != config.generation.image_begin) {
    throw Error(ErrorCode::model, (checkpoint / "processor").string() + ": expected \"" + layout_tokens.image_begin +
                                      "\" to have the id image_start_token_id (" +
                                      std::to_string(config.generation.image_begin) + "), found " +
                                      std::to_string(begin));
  }
}

}  // namespace glm
