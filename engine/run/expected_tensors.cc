#include "engine/run/expected_tensors.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "engine/checkpoint/weights.h"
#include "engine/components/dit.h"
#include "engine/components/glyph_encoder.h"
#include "engine/components/image_tokenizer.h"
#include "engine/components/prior_transformer.h"
#include "engine/components/vae.h"
#include "engine/components/vision_tower.h"

namespace glm {

bool ExpectedTensors::leaves(const std::string& name) const {
  const auto begins = [&](const std::string& begin) { return name.starts_with(begin); };
  return std::any_of(unread.begin(), unread.end(), begins);
}

std::map<std::string, ExpectedTensors> expected_tensors(const ModelConfig& c) {
  std::map<std::string, ExpectedTensors> folders;
  const auto noting = [&](const std::string& folder) {
    ExpectedTensors& expected = folders[folder];
    return Weights::random(at::kBFloat16, at::kMeta).changed([&expected](const std::string& name, const at::Tensor& w) {
      expected.shapes[name] = w.sizes().vec();
      return w;
    });
  };
  const Weights language = noting("vision_language_encoder");
  const PriorTransformer prior(language, c.prior);
  const VisionTower vision_tower(language / "model.visual", c.vision);
  const ImageTokenizer image_tokenizer(language / "model.vqmodel", c.codebook);
  const GlyphEncoder glyph_encoder(noting("text_encoder"), c.glyph);
  const Dit dit(noting("transformer"), c.dit);
  const Weights vae = noting("vae");
  const VaeEncoder vae_encoder(vae, c.vae);
  const VaeDecoder vae_decoder(vae, c.vae);
  // Random weights have every tensor, so the components' questions and what they leave unread aren't noted.
  folders["vision_language_encoder"].unread = {"model.vqmodel.post_quant_conv."};
  folders["text_encoder"].unread = {"encoder.embed_tokens."};
  folders["text_encoder"].other_names = {{"shared.weight", "encoder.embed_tokens.weight"}};
  return folders;
}

}  // namespace glm
