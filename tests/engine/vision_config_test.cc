// What the json files say of the way of references.
#include "tests/engine/config_files.h"

namespace glm {
namespace {

using VisionConfigFiles = Config;

TEST_F(VisionConfigFiles, AbsentKeysOfTheVisionTowerMeanTheClassDefaults) {
  json changed = good_[kPrior];
  changed["vision_config"] = json::object();
  changed["vq_config"].erase("embed_dim");
  changed["vq_config"].erase("latent_channels");
  write(kPrior, changed);
  const ModelConfig c = read();
  EXPECT_EQ(c.vision.layers * c.vision.dim, 40 * 1536);
  EXPECT_EQ(c.vision.heads, 16);
  EXPECT_EQ(c.vision.inner_dim, 6144);
  EXPECT_EQ(c.vision.positions, 128);
  EXPECT_TRUE(c.vision.attention_bias);
  EXPECT_EQ(c.codebook.dim, 2048);
  EXPECT_EQ(c.codebook.features, 1536);
  write(kPrior, good_[kPrior]);
  const ModelConfig pixels = without(kPixels, {"min_pixels", "max_pixels", "image_mean", "rescale_factor"});
  EXPECT_EQ(pixels.preprocessor.min_pixels, 56 * 56);
  EXPECT_EQ(pixels.preprocessor.max_pixels, 28 * 28 * 1280);
  EXPECT_EQ(pixels.preprocessor.mean[0], 0.48145466);
  EXPECT_EQ(pixels.preprocessor.rescale, 1.0 / 255);
}

TEST_F(VisionConfigFiles, PartsOfTheVisionTowerHaveToFit) {
  EXPECT_TRUE(refuses_value({kPrior, "/vision_config/num_heads"}, 5, {"hidden_size (32)", "found 5"}));
  EXPECT_TRUE(refuses_value({kPrior, "/vision_config/patch_size"}, 14, {"16", "found 14"}));
  EXPECT_TRUE(refuses_value({kPrior, "/vision_config/hidden_act"}, "gelu_new", {"gelu", "found"}));
  EXPECT_TRUE(refuses_value({kPrior, "/vq_config/latent_channels"}, 31, {"hidden_size (32)", "found 31"}));
  EXPECT_TRUE(refuses_value({kPixels, "/patch_size"}, 14, {"16", "found 14"}));
  EXPECT_TRUE(refuses_value({kPixels, "/merge_size"}, 2, {"1", "found 2"}));
  EXPECT_TRUE(refuses_value({kPixels, "/resample"}, 1, {"3", "found 1"}));
  EXPECT_TRUE(refuses_value({kPixels, "/image_std"}, {0.5, 0, 0.5}, {"other than 0"}));
}

}  // namespace
}  // namespace glm
