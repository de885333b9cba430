// Safety checkers that are broken, incomplete or of another kind: none of them gives a verdict.
#include <ATen/ATen.h>

#include <cmath>
#include <limits>

#include "engine/checkpoint/safety_config.h"
#include "tests/engine/safety_cases.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST(SafetyFolders, AreACheckersOwnOrAPipelines) {
  const SafetyCopy files;
  const SafetyOptions options{.device = test_device_name(), .threads = 1};
  EXPECT_TRUE(SafetyChecker(files.path(), options).check(flagged_picture()).flagged);
  EXPECT_TRUE(SafetyChecker(files.checker(), options).check(flagged_picture()).flagged);
  // A checker of its own has both files in one folder.
  const TemporaryFolder alone;
  fs::copy(files.checker(), alone.path(), fs::copy_options::recursive);
  fs::copy(files.preprocessor(), alone / "preprocessor_config.json");
  EXPECT_TRUE(SafetyChecker(alone.path(), options).check(flagged_picture()).flagged);
}

TEST(SafetyFolders, ThatLackAFileAreRefused) {
  const TemporaryFolder empty;
  const auto refuses = [](const fs::path& folder, const std::vector<std::string>& said) {
    return refused(ErrorCode::model, said, [&] { const SafetyChecker checker(folder); });
  };
  EXPECT_TRUE(refuses(empty.path(), {empty.path().string(), "config.json", "StableDiffusionSafetyChecker"}));
  EXPECT_TRUE(refuses(empty / "none", {"none", "no such folder"}));
  EXPECT_TRUE(refuses(write_bytes(empty / "file", "x"), {"found a file"}));
  EXPECT_TRUE(refuses("random:" + empty.path().string(), {"a checker from files"}));
  const SafetyCopy files;
  fs::remove(files.weights());
  EXPECT_TRUE(files.refuses({files.checker().string(), "model.safetensors"}));
  write_bytes(files.checker() / "pytorch_model.bin", "pickled code");
  EXPECT_TRUE(files.refuses({"expected model.safetensors", "only pytorch_model.bin", "save_pretrained"}));
}

TEST(SafetyFolders, OfAnotherClassAreRefused) {
  const SafetyCopy files;
  for (const char* key : {"architectures", "_class_name"}) {
    const json good = read_json(files.config());
    SafetyCopy::change(files.config(), {{key, json::array({"CLIPModel"})}});
    EXPECT_TRUE(files.refuses({files.config().string(), key, "StableDiffusionSafetyChecker", "CLIPModel"}));
    write_bytes(files.config(), good.dump());
  }
  SafetyCopy::change(files.config(), {{"architectures", nullptr}});  // a file may say nothing
  EXPECT_NO_THROW(files.load());
  SafetyCopy::change(files.preprocessor(), {{"image_processor_type", "CLIPImageProcessorPil"}});
  EXPECT_TRUE(files.refuses({"image_processor_type", "CLIPImageProcessor", "CLIPImageProcessorPil"}));
}

struct Wrong {
  const char* key;
  json value;
  const char* said;
};

TEST(SafetyConfigFiles, ValuesOutOfBoundsAreRefused) {
  const SafetyCopy files;
  const json good = read_json(files.config());
  const std::vector<Wrong> wrong = {
      {"hidden_size", 0, "from 1 to 65536"},
      {"hidden_size", 1.5, "a whole number"},
      {"hidden_size", UINT64_MAX, "a whole number"},
      {"intermediate_size", INT64_MIN, "a whole number"},
      {"num_hidden_layers", 1 << 30, "from 1 to 1024"},
      {"num_attention_heads", 5, "hidden_size (64)"},
      {"num_channels", 4, "3"},
      {"image_size", 1025, "from 1 to 1024"},
      {"image_size", json::array({56, 56}), "a whole number"},
      {"patch_size", 57, "from 1 to 56"},
      {"layer_norm_eps", -1, "from 0"},
      {"layer_norm_eps", "1e-5", "a number"},
      {"hidden_act", "gelu_new", "quick_gelu or gelu"},
  };
  for (const auto& [key, value, said] : wrong) {
    SafetyCopy::change(files.config(), {{"vision_config", {{key, value}}}});
    EXPECT_TRUE(files.refuses({files.config().string(), "vision_config", key, said}));
    write_bytes(files.config(), good.dump());
  }
  SafetyCopy::change(files.config(), {{"projection_dim", -1}});
  EXPECT_TRUE(files.refuses({"projection_dim", "from 1 to 65536", "found -1"}));
  write_bytes(files.config(), R"({"vision_config": []})");
  EXPECT_TRUE(files.refuses({"vision_config", "an object"}));
  write_bytes(files.config(), "[");
  EXPECT_TRUE(files.refuses({files.config().string()}));
}

TEST(SafetyConfigFiles, PreprocessorsThatShowTheModelOtherPixelsAreRefused) {
  const SafetyCopy files;
  const json good = read_json(files.preprocessor());
  const std::vector<Wrong> wrong = {
      {"do_resize", false, "true"},
      {"do_center_crop", false, "true"},
      {"do_rescale", false, "true"},
      {"do_normalize", false, "true"},
      {"use_square_size", true, "false"},
      {"resample", 2, "3"},
      {"size", 0, "from 1 to 1024"},
      {"size", 1 << 20, "from 1 to 1024"},
      {"size", "56", "a whole number"},
      {"crop_size", 224, "image_size (56)"},
      {"crop_size", {{"height", 56}, {"width", 57}}, "image_size (56)"},
      {"rescale_factor", 0, "from"},
      {"image_mean", {0.5, 0.5}, "numbers"},
      {"image_std", {0.5, 0, 0.5}, "numbers"},
      {"feature_extractor_type", "ViTFeatureExtractor", "CLIPImageProcessor"},
  };
  for (const auto& [key, value, said] : wrong) {
    json changed = good;
    changed[key] = value;
    write_bytes(files.preprocessor(), changed.dump());
    EXPECT_TRUE(files.refuses({files.preprocessor().string(), key, said}));
  }
  json changed = good;
  changed["size"] = {{"height", 56}, {"width", 56}};  // without the aspect
  write_bytes(files.preprocessor(), changed.dump());
  EXPECT_TRUE(files.refuses({"size", "a whole number"}));
  // The files of older versions: plain numbers, and less said.
  write_bytes(files.preprocessor(),
              R"({"size": 56, "crop_size": 56, "feature_extractor_type": "CLIPFeatureExtractor"})");
  EXPECT_TRUE(files.load().check(flagged_picture()).flagged);
}

TEST(SafetyConfigFiles, AbsentKeysMeanTheClassDefaults) {
  const TemporaryFolder folder;
  write_bytes(folder / "config.json", "{}");
  const SafetyConfig c{SafetyFolder(folder.path())};
  EXPECT_EQ(c.dim, 768);
  EXPECT_EQ(c.inner_dim, 3072);
  EXPECT_EQ(c.layers * c.heads, 12 * 12);
  EXPECT_EQ(c.patches(), 7 * 7);
  EXPECT_EQ(c.projection, 512);
  EXPECT_EQ(c.shortest_edge, 224);
  EXPECT_TRUE(c.quick_gelu);
  EXPECT_EQ(c.norm_eps, 1e-5);
  EXPECT_EQ(c.rescale, 1.0 / 255);
  EXPECT_EQ(c.mean[0], 0.48145466);
  EXPECT_EQ(c.std[2], 0.27577711);
}

TEST(SafetyWeights, ThatAreMissingMisshapenOrTooManyAreNamed) {
  for (const char* name : {"concept_embeds", "special_care_embeds_weights", "visual_projection.weight",
                           "vision_model.embeddings.class_embedding", "vision_model.encoder.layers.1.mlp.fc2.bias"}) {
    const SafetyCopy missing;
    rewrite_tensors(missing.weights(), [&](auto& tensors) { tensors.erase(name); });
    EXPECT_TRUE(missing.refuses({name, "missing"})) << name;
    const SafetyCopy short_of_one;
    short_of_one.change_tensor(name, [](const at::Tensor& t) { return t.slice(0, 1); });
    EXPECT_TRUE(short_of_one.refuses({name, "expected shape"})) << name;
  }
  const SafetyCopy more;
  rewrite_tensors(more.weights(), [](auto& tensors) { tensors["text_model.weight"] = at::ones({1}); });
  EXPECT_TRUE(more.refuses({"text_model.weight", "doesn't use"}));
  const SafetyCopy cut;
  fs::resize_file(cut.weights(), fs::file_size(cut.weights()) / 2);
  EXPECT_TRUE(cut.refuses({cut.weights().string()}));
}

// What is no number can't be above a threshold either: such a checker must not let pictures pass.
TEST(SafetyWeights, ThatAreDamagedGiveAnErrorAndNoVerdict) {
  for (const double damage : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const char* name : {"concept_embeds", "special_care_embeds", "concept_embeds_weights",
                             "special_care_embeds_weights", "visual_projection.weight",
                             "vision_model.embeddings.class_embedding", "vision_model.encoder.layers.1.mlp.fc2.bias"}) {
      const SafetyCopy files;
      files.change_tensor(name, [&](const at::Tensor& t) {
        at::Tensor damaged = t.clone();
        damaged.view(-1)[1] = damage;
        return damaged;
      });
      const SafetyChecker checker = files.load();
      EXPECT_TRUE(refused(ErrorCode::model, {"not finite", "no verdict"}, [&] { checker.check(harmless_picture()); }))
          << name << " " << damage;
    }
  }
  const SafetyCopy zeros;
  zeros.change_tensor("concept_embeds", [](const at::Tensor& t) { return at::zeros_like(t); });
  EXPECT_TRUE(zeros.refuses({"nothing but zeros", "concept_embeds"}));
}

}  // namespace
}  // namespace glm
