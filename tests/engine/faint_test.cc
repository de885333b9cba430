// Blocks on inputs of about a thousandth: there the epsilons of the norms decide, which no picture shows.
#include <ATen/ATen.h>

#include "engine/checkpoint/weights.h"
#include "engine/components/layers/rope.h"
#include "engine/device/upload.h"
#include "tests/engine/cases.h"

namespace glm {
namespace {

class FaintInputs : public testing::Test {
 protected:
  Weights open(const char* component) const {
    return {checkpoint / component, at::kFloat, device.is_cpu() ? nullptr : std::make_shared<Uploader>(device)};
  }
  at::Tensor input(const char* name) const { return golden.tensor(name).to(device); }

  c10::InferenceMode inference;
  at::Device device = test_device();
  const Golden& golden = Golden::of("faint.safetensors");
  std::filesystem::path checkpoint = checkpoint_a();
  ModelConfig config{checkpoint};
};

TEST_F(FaintInputs, DitBlockIsUpstreams) {
  const DitBlock block(open("transformer") / "transformer_blocks.0", config.dit, DecoderKernels());
  const at::Tensor text = input("dit.text")[0];
  const at::Tensor image = input("dit.image")[0];
  const RotaryTable rotary = patch_rotary_table(config.dit.head_dim, 3, 4, device);
  const int64_t t = text.size(0);
  const int64_t end = t + image.size(0);
  const Layout layout{.segments = {{0, t, end - t, 0}}, .groups = {{0, t, 1}, {t, end, 0}}, .rotary = &rotary};
  at::Tensor out = at::cat({text, image});
  const Gated product = block.forward(out, {}, input("dit.temb"), layout, 0);
  DecoderKernels().modulate(out, product, layout.groups, {}, 0);
  EXPECT_TRUE(golden.matches("dit.text_out", out.slice(0, 0, t).unsqueeze(0), tolerance::kStage));
  EXPECT_TRUE(golden.matches("dit.image_out", out.slice(0, t).unsqueeze(0), tolerance::kStage));
}

TEST_F(FaintInputs, PriorLayerIsUpstreams) {
  const Weights w = open("vision_language_encoder");
  const PriorLayer layer(w / "model.language_model.layers.0", config.prior);
  const at::Tensor x = input("prior.x");
  DecodeState state = PriorTransformer(w, config.prior).start(1, prompt_positions(x.size(1)));
  EXPECT_TRUE(golden.matches("prior.out", layer.forward(x, state, 0), tolerance::kStage));
}

TEST_F(FaintInputs, GlyphBlockIsUpstreams) {
  const GlyphBlock block(open("text_encoder") / "encoder.block.0", config.glyph);
  const at::Tensor x = input("t5.x");
  const at::Tensor bias = at::zeros({1, config.glyph.heads, x.size(1), x.size(1)}, x.options());
  EXPECT_TRUE(golden.matches("t5.out", block.forward(x, bias), tolerance::kStage));
}

TEST_F(FaintInputs, ResnetIsUpstreams) {
  const int64_t channels = config.vae.channels.back();
  const Resnet resnet(open("vae") / "decoder.mid_block.resnets.0", {channels, channels, config.vae.groups},
                      DecoderKernels());
  EXPECT_TRUE(golden.matches("vae.out", resnet.forward(input("vae.x")), tolerance::kStage));
}

}  // namespace
}  // namespace glm
