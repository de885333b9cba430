// What weights inspect says of folders and files, good and broken.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "base/json.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/run/expected_tensors.h"
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
        ASSERT_TRUE(expected.may_hold(tensor)) << tensor;
        const auto known = expected.shapes.find(tensor);
        EXPECT_TRUE(known == expected.shapes.end() || known->second == info.shape) << tensor;
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

// The names that AutoRound and SDNQ write; formats as their config.json says.
TEST_F(Inspected, QuantisedOnesAreNamedAndTheirTensorsBelongToTheWeight) {
  const std::string layer = "transformer_blocks.0.ff.net.2";
  const int64_t numbers = transformer().parameters;
  json config = json::parse(read_bytes(model() / "transformer/config.json"));
  config["quantization_config"] = {{"quant_method", "auto-round"}, {"bits", 4}, {"group_size", 128}};
  write_bytes(model() / "transformer/config.json", config.dump());
  int64_t in = 0, out = 0;
  rewrite([&](Tensors& all) {
    out = all.at(layer + ".weight").size(0);
    in = all.at(layer + ".weight").size(1);
    all.erase(layer + ".weight");
    all[layer + ".qweight"] = at::ones({in / 8, out}, at::kInt);
    all[layer + ".scales"] = at::ones({1, out}, at::kHalf);
    all[layer + ".qzeros"] = at::ones({1, out / 8}, at::kInt);
  });
  StoredComponent c = transformer();
  EXPECT_EQ(c.format, "AutoRound int4, groups of 128");
  EXPECT_EQ(c.missing.size() + c.unclaimed.size() + c.misshapen.size(), 0U);
  EXPECT_EQ(c.parameters, numbers);
  rewrite([&](Tensors& all) { all.erase(layer + ".qweight"); });
  EXPECT_EQ(transformer().missing, Names{layer + ".weight"}) << "scales alone are no weight";

  config["quantization_config"] = {
      {"quant_method", "sdnq"},
      {"weights_dtype", "uint4"},
      {"modules_dtype_dict", {{"int5", {"a"}}, {"float5_e3m1fn", {"b"}}, {"int6", json::array()}}}};
  write_bytes(model() / "transformer/config.json", config.dump());
  rewrite([&](Tensors& all) {
    all.erase(layer + ".scales");
    all.erase(layer + ".qzeros");
    all[layer + ".weight"] = at::ones({in * out / 2}, at::kByte);
    all[layer + ".scale"] = at::ones({out, 1, 1});
    all[layer + ".zero_point"] = at::zeros({out, 1, 1});
  });
  c = transformer();
  EXPECT_EQ(c.format, "SDNQ uint4, float5, int5");
  EXPECT_EQ(c.missing.size() + c.unclaimed.size() + c.misshapen.size() + c.zeros.size(), 0U);
  EXPECT_EQ(c.parameters, numbers);
  config["quantization_config"] = {{"quant_method", "modelopt"}};
  write_bytes(model() / "transformer/config.json", config.dump());
  EXPECT_EQ(transformer().format, "modelopt");
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
