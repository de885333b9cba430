// What weights inspect says of folders and files, good and broken.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "base/json.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/run/expected_tensors.h"
#include "glm/pipeline.h"
#include "glm/weights.h"
#include "tests/base/refusal.h"
#include "tests/support/checkpoints.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Names = std::vector<std::string>;
using Tensors = std::map<std::string, at::Tensor>;

Tensors tensors_of(const fs::path& file) {
  const SafetensorsFile opened(file);
  Tensors tensors;
  for (const auto& entry : opened.tensors()) tensors[entry.first] = opened.tensor(entry.first);
  return tensors;
}

TEST(ExpectedTensorsOf, ACheckpointAreThoseOfItsFiles) {
  for (const char* name : {"a", "k"}) {
    const fs::path folder = checkpoint_folder(name);
    for (const auto& [part, expected] : expected_tensors(ModelConfig(folder))) {
      const bool transformers = part == "text_encoder" || part == "vision_language_encoder";
      const SafetensorsFile file(folder / part /
                                 (transformers ? "model.safetensors" : "diffusion_pytorch_model.safetensors"));
      for (const auto& [tensor, info] : file.tensors()) {
        const auto known = expected.shapes.find(tensor);
        EXPECT_TRUE(known == expected.shapes.end() ? expected.leaves(tensor) : known->second == info.shape) << tensor;
      }
      for (const auto& entry : expected.shapes) EXPECT_TRUE(file.tensors().contains(entry.first)) << entry.first;
    }
  }
}

TEST(ExpectedTensorsOf, ThePublicModelTakeNoMemory) {
  int64_t numbers = 0;
  for (const auto& [part, expected] : expected_tensors(ModelConfig(fs::path(GLM_SOURCE_DIR) / "models/public"))) {
    for (const auto& entry : expected.shapes) numbers += c10::multiply_integers(entry.second);
  }
  EXPECT_GT(numbers, 16'000'000'000);
  EXPECT_LT(numbers, 18'000'000'000);
}

// The small checkpoint in a folder of its own, to be changed.
class Inspected : public testing::Test {
 protected:
  Inspected() { fs::copy(checkpoint_folder("a"), model(), fs::copy_options::recursive); }
  fs::path model() const { return folder_ / "model"; }
  fs::path file() const { return model() / "transformer/diffusion_pytorch_model.safetensors"; }
  WeightsReport report() const { return inspect_weights(model(), {}); }
  StoredComponent transformer() const { return report().components.at(1); }
  // Writes the transformer's tensors anew after `change`.
  template <typename Change>
  void rewrite(Change change) const {
    Tensors tensors = tensors_of(file());
    change(tensors);
    fs::remove(file());
    write_safetensors(file(), tensors, {});
  }
  const TemporaryFolder folder_;
};

TEST_F(Inspected, AGoodOneHasFourComponentsAndNoProblem) {
  const WeightsReport good = report();
  EXPECT_EQ(good.count_problems(), 0);
  EXPECT_EQ(good.kind, "a GLM-Image checkpoint");
  Names names;
  for (const StoredComponent& c : good.components) names.push_back(c.name);
  EXPECT_EQ(names, (Names{"vision_language_encoder", "transformer", "text_encoder", "vae"}));
  const StoredComponent& c = good.components[1];
  EXPECT_EQ(c.format, "fp32");
  EXPECT_EQ(c.bytes, 4 * c.parameters);
  const StoredTensor& first = c.tensors[0];
  EXPECT_EQ(first.dtype, "F32");
  EXPECT_EQ(first.file, file());
  EXPECT_EQ(first.end - first.begin, 4 * c10::multiply_integers(first.shape));
}

TEST_F(Inspected, WhatIsMissingMisshapenTooMuchZeroOrNotFiniteIsNamed) {
  rewrite([](Tensors& all) {
    all.erase("proj_out.bias");
    all["proj_out.weight"] = at::ones({3});
    all["stray"] = at::ones({2});
    all.at("norm_out.linear.weight").zero_();
    all.at("norm_out.linear.bias").zero_();
    all.at("image_projector.proj.bias")[1] = std::numeric_limits<float>::infinity();
  });
  const StoredComponent c = transformer();
  EXPECT_EQ(c.missing, Names{"proj_out.bias"});
  EXPECT_EQ(c.misshapen, Names{"proj_out.weight"});
  EXPECT_EQ(c.unclaimed, Names{"stray"});
  EXPECT_EQ(c.zeros, Names{"norm_out.linear.weight"}) << "a bias may be zeros";
  EXPECT_EQ(c.not_finite, Names{"image_projector.proj.bias"});
  EXPECT_EQ(report().count_problems(), 4);
}

TEST_F(Inspected, EachBrokenFileIsAProblemAndTheOthersAreRead) {
  const std::string whole = read_bytes(file());
  const auto expect_told = [&](const Names& said) {
    const WeightsReport broken = report();
    ASSERT_EQ(broken.components[1].problems.size(), 1U);
    for (const std::string& text : said)
      EXPECT_NE(broken.components[1].problems[0].find(text), std::string::npos) << text;
    EXPECT_EQ(broken.count_problems(), 1);
    EXPECT_FALSE(broken.components[3].tensors.empty());
  };
  fs::remove(file());
  expect_told({"transformer: expected ", "found none"});
  fs::create_directory(file());
  expect_told({file().string(), "expected a safetensors file, found something else"});
  fs::remove(file());
  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  expect_told({file().string(), "found something else"});
  fs::remove(file());
  fs::create_symlink("nowhere", file());
  expect_told({file().string(), "can't be opened"});
  fs::remove(file());
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"", "an empty file"},
      {whole.substr(0, whole.size() / 2), "ends at byte"},
      {std::string(100'000, '\0'), "zeros at its beginning"},
      {"GGUF\3 and so on", "GGUF"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:4f\nsize 7\n", "git lfs pull"}};
  for (const auto& [bytes, said] : rows) {
    write_bytes(file(), bytes);
    expect_told({file().string(), said});
  }
}

TEST_F(Inspected, ShardsThatAreNotWhatTheirIndexSaysAreTold) {
  Tensors first = tensors_of(file()), second;
  for (const char* name : {"proj_out.bias", "proj_out.weight"}) {
    second[name] = first.at(name);
    first.erase(name);
  }
  json map;
  for (const auto& entry : first) map[entry.first] = "one.safetensors";
  for (const auto& entry : second) map[entry.first] = "two.safetensors";
  fs::remove(file());
  const fs::path folder = file().parent_path();
  const fs::path index = folder / "diffusion_pytorch_model.safetensors.index.json";
  write_safetensors(folder / "one.safetensors", first, {});
  write_safetensors(folder / "two.safetensors", second, {});
  write_bytes(index, json{{"weight_map", map}}.dump());
  EXPECT_EQ(report().count_problems(), 0);
  map.erase("proj_out.bias");
  map["norm"] = "one.safetensors";
  map["x"] = "../two.safetensors";
  write_bytes(index, json{{"weight_map", map}}.dump());
  const Names problems = transformer().problems;
  ASSERT_EQ(problems.size(), 3U);
  EXPECT_NE(problems[0].find("a plain file name for \"x\""), std::string::npos) << problems[0];
  EXPECT_NE(problems[1].find("one.safetensors: lacks"), std::string::npos) << problems[1];
  EXPECT_NE(problems[2].find("two.safetensors: holds"), std::string::npos) << problems[2];
  fs::remove(folder / "two.safetensors");
  EXPECT_NE(transformer().problems.back().find("two.safetensors: can't be opened"), std::string::npos);
  EXPECT_EQ(transformer().missing, (Names{"proj_out.bias", "proj_out.weight"}));
  write_bytes(index, "{");
  EXPECT_NE(transformer().problems[0].find("not valid JSON"), std::string::npos);
}

TEST_F(Inspected, AConfigurationThatCannotBeReadIsAProblemAndTheRestIsShown) {
  write_bytes(model() / "vae/config.json", "{");
  const WeightsReport broken = report();
  EXPECT_EQ(broken.count_problems(), 1);
  EXPECT_NE(broken.problems.at(0).find("vae/config.json"), std::string::npos);
  EXPECT_FALSE(broken.components[0].unknown.empty());
  EXPECT_FALSE(broken.components[0].tensors.empty());
  fs::remove(model() / "model_index.json");
  EXPECT_NE(report().problems.at(0).find("model_index.json"), std::string::npos);
}

TEST_F(Inspected, TokenizersBelongToACheckpoint) {
  for (const char* file :
       {"processor/tokenizer.json", "processor/tokenizer_config.json", "tokenizer/tokenizer_config.json"}) {
    const std::string whole = read_bytes(model() / file);
    write_bytes(model() / file, "{");
    const WeightsReport broken = report();
    ASSERT_EQ(broken.problems.size(), 1U) << file;
    EXPECT_NE(broken.problems[0].find(file), std::string::npos) << broken.problems[0];
    EXPECT_EQ(broken.count_problems(), 1);
    fs::remove(model() / file);
    ASSERT_EQ(report().problems.size(), 1U) << file;
    EXPECT_NE(report().problems[0].find(file), std::string::npos) << report().problems[0];
    write_bytes(model() / file, whole);
  }
}

TEST_F(Inspected, ATypeThatIsNotReadIsNamed) {
  rewrite([](Tensors& all) {
    all["proj_out.weight"] = all.at("proj_out.weight").to(at::kShort);
    all["proj_out.bias"] = all.at("proj_out.bias").to(at::kDouble);
  });
  EXPECT_EQ(transformer().mistyped, (Names{"proj_out.bias", "proj_out.weight"}));
  EXPECT_EQ(report().count_problems(), 2);
}

// A checkpoint as auto-round or sdnq writes it, to be changed.
class InspectedCodes : public Inspected {
 protected:
  void write(const char* format) const {
    fs::remove_all(model());
    write_random_weights(checkpoint_folder("a"), model(), {.format = format}, {});
  }
  void set_option(const std::string& key, const json& value) const {
    const fs::path config = model() / "transformer/config.json";
    json all = json::parse(read_bytes(config));
    all["quantization_config"][key] = value;
    write_bytes(config, all.dump());
  }
  static std::string first(const Tensors& all, const std::string& end) {
    for (const auto& entry : all) {
      if (entry.first.ends_with(end)) return entry.first;
    }
    throw std::runtime_error("no " + end);
  }
  // Does inspect find one problem, which holds this text, and verify one, too? The loader refuses it as well.
  testing::AssertionResult tells(const std::string& said, int64_t problems = 1) const {
    const WeightsReport whole = report();
    const StoredComponent& c = whole.components.at(1);
    Names all = whole.problems;
    for (const Names& names : {c.problems, c.missing, c.misshapen, c.mistyped, c.unclaimed, c.contradictions}) {
      all.insert(all.end(), names.begin(), names.end());
    }
    if (whole.count_problems() != problems) return testing::AssertionFailure() << json(all).dump();
    const auto holds = [&](const std::string& text) { return text.find(said) != std::string::npos; };
    if (std::none_of(all.begin(), all.end(), holds)) return testing::AssertionFailure() << json(all).dump();
    if (verify_weights(model(), {}, {}).count_problems() < 1) return testing::AssertionFailure() << "verify: good";
    try {
      const Pipeline pipeline(model(), {});
    } catch (const Error&) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << "it loads";
  }
};

TEST_F(InspectedCodes, GoodOnesAreNamedAndHaveTheModelsNumbers) {
  const int64_t numbers = transformer().parameters;
  for (const auto& [format, name] : {std::pair{"autoround", "AutoRound int4"}, {"sdnq", "SDNQ uint4"}}) {
    write(format);
    const StoredComponent c = transformer();
    EXPECT_EQ(c.format.rfind(name, 0), 0U) << c.format;
    EXPECT_EQ(c.parameters, numbers) << format;
    EXPECT_EQ(report().count_problems(), 0) << format;
    EXPECT_EQ(verify_weights(model(), {}, {}).count_problems(), 0) << format;
    fs::rename(file(), folder_ / "lone.safetensors");
    EXPECT_EQ(inspect_weights(folder_ / "lone.safetensors", {}).components.at(0).parameters, numbers) << format;
  }
  write("sdnq");
  set_option("quant_method", "modelopt");
  EXPECT_EQ(transformer().format, "modelopt");
  EXPECT_TRUE(tells("expected auto-round or sdnq, found \"modelopt\""));
}

TEST_F(InspectedCodes, WhatTheLoaderRefusesInAnAutoRoundLayerIsTold) {
  const auto after = [&](auto change) {
    write("autoround");
    rewrite(change);
  };
  after([](Tensors& all) { all.erase(first(all, ".qzeros")); });
  EXPECT_TRUE(tells(".qzeros"));
  after([](Tensors& all) { all.erase(first(all, ".scales")); });
  EXPECT_TRUE(tells(".scales"));
  after([](Tensors& all) { all.erase(first(all, ".qweight")); });
  EXPECT_TRUE(tells(".weight"));
  after([](Tensors& all) {
    at::Tensor& scales = all.at(first(all, ".scales"));
    scales = scales.slice(1, 0, 8).contiguous();
  });
  EXPECT_TRUE(tells(".scales"));
  after([](Tensors& all) {
    at::Tensor& scales = all.at(first(all, ".scales"));
    scales = scales.to(at::kFloat);
  });
  EXPECT_TRUE(tells(".scales"));
  after([](Tensors& all) {
    const std::string name = first(all, ".qweight");
    all[name.substr(0, name.size() - 7) + "g_idx"] = at::zeros({8}, at::kInt);
  });
  EXPECT_TRUE(tells(".g_idx"));
  after([](Tensors& all) { all.at(first(all, ".scales"))[0][0] = 60000; });
  EXPECT_TRUE(tells("finite scales whose numbers its type can hold, found 60000"));
  write("autoround");
  set_option("sym", true);
  rewrite([](Tensors& all) { all.at(first(all, ".qzeros"))[0][0] = 0x77777771; });
  EXPECT_GE(report().count_problems(), 1);
  EXPECT_NE(json(transformer().contradictions).dump().find("zeros of 8"), std::string::npos);
  write("autoround");
  set_option("group_size", 1 << 20);
  EXPECT_NE(json(transformer().contradictions).dump().find("groups of 1048576"), std::string::npos);
}

TEST_F(InspectedCodes, WhatTheLoaderRefusesInAnSdnqLayerIsTold) {
  const auto after = [&](auto change) {
    write("sdnq");
    rewrite(change);
  };
  after([](Tensors& all) { all.erase(first(all, ".zero_point")); });
  EXPECT_TRUE(tells(".zero_point"));
  after([](Tensors& all) { all.erase(first(all, ".scale")); });
  EXPECT_TRUE(tells(".scale"));
  after([](Tensors& all) {
    at::Tensor& zeros = all.at(first(all, ".zero_point"));
    zeros = zeros.slice(0, 0, 2).contiguous();
  });
  EXPECT_TRUE(tells(".zero_point"));
  after([](Tensors& all) {
    const std::string name = first(all, ".scale");
    all[name.substr(0, name.size() - 5) + "svd_up"] = at::ones({8});
  });
  EXPECT_TRUE(tells(".svd_up"));
  after([](Tensors& all) {
    at::Tensor& scales = all.at(first(all, ".scale"));
    scales = scales.to(at::kFloat);
    scales.fill_(1e31);
    at::Tensor& zeros = all.at(first(all, ".zero_point"));
    zeros = zeros.to(at::kFloat);
  });
  EXPECT_GE(report().count_problems(), 1);
  write("sdnq");
  write_bytes(model() / "transformer/quantization_config.json", "{");
  EXPECT_TRUE(tells("quantization_config.json"));
}

// There the shape of a weight is what its codes and scales tell.
TEST_F(InspectedCodes, ALayerIsLookedAtInALoneFolderToo) {
  for (const auto& [format, part] : {std::pair{"autoround", ".qzeros"}, {"sdnq", ".zero_point"}}) {
    write(format);
    const fs::path alone = folder_ / (std::string(format) + "_alone");
    rewrite([&](Tensors& all) { all.erase(first(all, part)); });
    fs::rename(model() / "transformer", alone);
    const WeightsReport lone = inspect_weights(alone, {});
    ASSERT_EQ(lone.components.at(0).missing.size(), 1U) << format;
    EXPECT_TRUE(lone.components.at(0).missing[0].ends_with(part));
    EXPECT_EQ(lone.count_problems(), 1);
    EXPECT_EQ(verify_weights(alone, {}, {}).count_problems(), 1);
  }
}

TEST_F(Inspected, ALoneFileIsNamedByItsTensors) {
  for (const auto& [file, name] :
       {std::pair{"transformer/diffusion_pytorch_model", "transformer"},
        std::pair{"vae/diffusion_pytorch_model", "vae"}, std::pair{"text_encoder/model", "text_encoder"},
        std::pair{"vision_language_encoder/model", "vision_language_encoder"}}) {
    const WeightsReport lone = inspect_weights(model() / (std::string(file) + ".safetensors"), {});
    EXPECT_EQ(lone.kind, "a file of weights");
    EXPECT_EQ(lone.components.at(0).name, name);
    EXPECT_EQ(lone.count_problems(), 0);
  }
  Tensors prefixed;
  for (const auto& [name, tensor] : tensors_of(file())) prefixed["model.diffusion_model." + name] = tensor;
  write_safetensors(folder_ / "comfy.safetensors", prefixed, {});
  EXPECT_EQ(inspect_weights(folder_ / "comfy.safetensors", {}).components.at(0).name, "transformer");
  const fs::path lora = folder_ / "lora.safetensors";
  write_safetensors(lora, {{"transformer.transformer_blocks.0.attn1.to_q.lora_A.weight", at::ones({2})}}, {});
  EXPECT_EQ(inspect_weights(lora, {}).kind.rfind("a LoRA", 0), 0U);
  EXPECT_NE(inspect_weights(lora, {}).advice.find("takes no adapters"), std::string::npos);
  write_safetensors(folder_ / "other.safetensors", {{"x", at::ones({2})}}, {});
  EXPECT_NE(inspect_weights(folder_ / "other.safetensors", {}).kind.find("none of this model's"), std::string::npos);
  write_bytes(folder_ / "a.gguf", "GGUF\3 and so on");
  EXPECT_TRUE(refused(ErrorCode::model, {"a.gguf", "a GGUF file"}, [&] { inspect_weights(folder_ / "a.gguf", {}); }));
}

TEST_F(Inspected, WhatIsNoneIsRefused) {
  for (const fs::path& path : {folder_ / "nowhere", folder_.path(), fs::path("/dev/null"), fs::path("random:public")}) {
    EXPECT_TRUE(refused(ErrorCode::model, {path.string()}, [&] { inspect_weights(path, {}); }));
  }
  CancelToken token;
  token.cancel();
  EXPECT_TRUE(refused(ErrorCode::cancelled, {}, [&] { inspect_weights(model(), {.progress = {}, .cancel = &token}); }));
}

}  // namespace
}  // namespace glm
