// References: the vision tower, the codebook, the VAE's encoder and what the decoder keeps of them, each fed with
// upstream's input.
#include <ATen/ATen.h>

#include "engine/run/references.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/compare.h"
#include "tests/support/reference_picture.h"

namespace glm {
namespace {

class ReferenceStage : public StageTest {
 protected:
  std::vector<Reference> resized() const {
    std::vector<Reference> all;
    for (const Image& picture : golden.request().references) all.push_back(resize_reference(model.config, picture));
    return all;
  }

  // The tower's results of all references, row after row as upstream has them.
  std::vector<at::Tensor> features() {
    std::map<std::string, std::vector<at::Tensor>> rows;
    std::vector<at::Tensor> all;
    for (const Reference& r : resized()) {
      const Tap tap([&](const std::string& name, const at::Tensor& value) { rows[name].push_back(value.cpu()); },
                    Tap::Level::full, "vision.");
      all.push_back(
          model.vision_tower.forward(normalized_pixels(pixel_tensor(r.vision), model.config.preprocessor), tap));
    }
    for (const auto& [name, values] : rows) seen[name] = at::cat(values);
    return all;
  }
};

TEST_P(ReferenceStage, GridsAndPixelsAreUpstreams) {
  std::vector<Grid> grids = sources();
  const std::vector<Reference> all = resized();
  ASSERT_EQ(all.size(), grids.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].grid.height, grids[i].height);
    EXPECT_EQ(all[i].grid.width, grids[i].width);
    const std::string name = "vae.cond" + std::to_string(i) + ".pixels";
    EXPECT_TRUE(golden.bytes_equal(name, bytes_to_pixels(pixel_tensor(all[i].pixels))));
  }
}

TEST_P(ReferenceStage, VisionTowerIsUpstreams) {
  features();
  const int compared = compare_seen("vision.", tolerance::kStage);
  if (golden.parameters().at("level") == "sources") {
    EXPECT_EQ(compared, 2 + model.config.vision.layers);  // patches, embeddings, blocks
  }
}

TEST_P(ReferenceStage, TokensAreUpstreams) {
  const std::vector<at::Tensor> all = features();
  std::vector<at::Tensor> ids;
  for (size_t i = 0; i < all.size(); ++i) {
    ids.push_back(model.image_tokenizer.forward(all[i], sources()[i], tap() / "vq").cpu());  // the last is seen
  }
  EXPECT_TRUE(golden.bytes_equal("ar.vq_ids", at::cat(ids)));
  EXPECT_EQ(compare_seen("vq.", tolerance::kStage), golden.parameters().at("level") == "sources" ? 1 : 0);
}

TEST_P(ReferenceStage, EncodedMeansAreUpstreams) {
  const std::vector<Reference> all = resized();
  for (size_t i = 0; i < all.size(); ++i) {
    const at::Tensor mean = model.vae_encoder.encode(bytes_to_pixels(pixel_tensor(all[i].pixels)));
    EXPECT_TRUE(golden.matches("vae.cond" + std::to_string(i) + ".mean", mean, tolerance::kStage));
  }
}

TEST_P(ReferenceStage, ConditionsAreUpstreams) {
  const std::vector<Condition> all = conditions(tap());
  for (size_t layer = 0; layer < all[0].layers.size(); ++layer) {
    std::vector<at::Tensor> k, v;
    for (const Condition& condition : all) {
      k.push_back(condition.layers[layer].k);
      v.push_back(condition.layers[layer].v);
    }
    const std::string name = "dit.kv.sample0.layer" + std::to_string(layer);
    seen[name + ".k"] = at::cat(k, 1).cpu();
    seen[name + ".v"] = at::cat(v, 1).cpu();
  }
  const int compared = compare_seen("dit.", tolerance::kStage);
  if (golden.parameters().at("level") == "sources") {
    EXPECT_EQ(compared, 2 * model.config.dit.layers + static_cast<int64_t>(all.size()));
  }
}

INSTANTIATE_TEST_SUITE_P(Upstream, ReferenceStage, testing::ValuesIn(reference_cases()), case_name);

// Upstream's two pictures of one prompt and one stream of noise: ours with its tokens and its noise.
class ReferenceBatch : public testing::TestWithParam<std::string> {};

TEST_P(ReferenceBatch, EveryPictureIsUpstreams) {
  const Golden& golden = Golden::of(GetParam() + ".safetensors");
  const TemporaryFolder checkpoint;
  const TemporaryFolder folder;
  const auto shape = golden.header()["tensors"]["latents.init"]["shape"].get<std::vector<int64_t>>();
  at::manual_seed(golden.parameters().at("seed").get<uint64_t>());
  const at::Tensor noise = at::randn(shape);
  ASSERT_TRUE(golden.bytes_equal("latents.init", noise));
  write_safetensors(folder / "in.safetensors",
                    {{"ar.generated", golden.tensor("ar.generated")}, {"latents.init", noise}}, {});
  Request request = golden.request();
  request.seeds = {1, 2};
  request.inject = folder / "in.safetensors";
  request.dump = folder / "dump.safetensors";
  const Pipeline pipeline(checkpoint_of(golden, checkpoint),
                          {.dtype = "float32", .device = test_device_name(), .threads = 1});
  pipeline.generate(request, {});
  const SafetensorsFile dump(request.dump);
  EXPECT_TRUE(golden.bytes_equal("ar.vq_ids", dump.tensor("ar.vq_ids")));
  for (const char* name : {"step0.latents", "step1.latents", "latents.final_scaled", "vae.decoded"}) {
    EXPECT_TRUE(golden.matches(name, dump.tensor(name), tolerance::kChained));
  }
}

INSTANTIATE_TEST_SUITE_P(Upstream, ReferenceBatch, testing::ValuesIn(golden_cases([](const Golden& golden) {
                           return golden.parameters().contains("images");
                         })),
                         case_name);

}  // namespace
}  // namespace glm
