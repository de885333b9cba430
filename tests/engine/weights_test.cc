// Weights against broken checkpoints: what is missing, too much, of another shape or type is named.
#include "engine/checkpoint/weights.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "base/json.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/run/model.h"
#include "tests/base/refusal.h"
#include "tests/support/checkpoints.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Tensors = std::map<std::string, at::Tensor>;

class WeightsFolder : public testing::Test {
 protected:
  fs::path file(const std::string& name = "model.safetensors") const { return folder_ / name; }
  Weights open(at::ScalarType dtype = at::kFloat, FileAccess access = FileAccess::read) const {
    return {folder_.path(), dtype, nullptr, access};
  }
  testing::AssertionResult open_refused(std::vector<std::string> said) const {
    return refused(ErrorCode::model, said, [&] { open(); });
  }
  // Two shards and their index: a.weight and c.weight, b.weight.
  void write_shards() const {
    write_safetensors(file("one.safetensors"), {{"a.weight", at::ones({2})}, {"c.weight", at::ones({3})}}, {});
    write_safetensors(file("two.safetensors"), {{"b.weight", at::ones({2, 2}, at::kHalf)}}, {});
    write_index(kMap);
  }
  void write_index(const json& map) const { write_bytes(file(kIndex), json{{"weight_map", map}}.dump()); }

  static constexpr const char* kIndex = "diffusion_pytorch_model.safetensors.index.json";
  const json kMap = {{"a.weight", "one.safetensors"}, {"b.weight", "two.safetensors"}, {"c.weight", "one.safetensors"}};
  const TemporaryFolder folder_;
};

TEST_F(WeightsFolder, GivesTensorsByScope) {
  write_safetensors(file(), {{"a.0.weight", at::arange(6, at::kFloat).view({2, 3})}, {"a.0.bias", at::ones({2})}}, {});
  const Weights w = open();
  const Weights scope = w / "a" / "0";
  EXPECT_TRUE(at::equal(scope.tensor("weight", {2, 3}), at::arange(6, at::kFloat).view({2, 3})));
  EXPECT_TRUE(scope.has("bias"));
  EXPECT_FALSE(scope.has("a.0.bias"));
  EXPECT_FALSE(w.has("bias"));
  EXPECT_TRUE(at::equal(w.tensor("a.0.bias", {2}), at::ones({2})));
  EXPECT_NO_THROW(w.check_all_claimed());
}

TEST_F(WeightsFolder, NamesWhatIsMissingOrDoesNotFit) {
  write_safetensors(file(),
                    {{"a.weight", at::ones({2, 3})},
                     {"a.ids", at::ones({2}, at::kLong)},
                     {"a.wide", at::ones({2}, at::kDouble)},
                     {"a.flags", at::ones({2}, at::kByte)}},
                    {});
  const Weights w = open() / "a";
  const auto tensor_refused = [&](const std::string& name, at::IntArrayRef shape, std::vector<std::string> said) {
    said.push_back("\"a." + name + "\"");
    return refused(ErrorCode::model, said, [&] { w.tensor(name, shape); });
  };
  const std::string path = file().string();
  EXPECT_TRUE(tensor_refused("bias", {2}, {folder_.path().string(), "missing", "shape [2]"}));
  EXPECT_TRUE(tensor_refused("weight", {3, 2}, {path, "expected shape [3, 2]", "found [2, 3]"}));
  EXPECT_TRUE(tensor_refused("weight", {6}, {path, "expected shape [6]", "found [2, 3]"}));
  EXPECT_TRUE(tensor_refused("weight", {}, {path, "expected shape []", "found [2, 3]"}));
  EXPECT_TRUE(tensor_refused("ids", {2}, {path, "expected F32, BF16 or F16", "found I64"}));
  EXPECT_TRUE(tensor_refused("wide", {2}, {path, "expected F32, BF16 or F16", "found F64"}));
  EXPECT_TRUE(tensor_refused("flags", {2}, {path, "expected F32, BF16 or F16", "found U8"}));
}

TEST_F(WeightsFolder, NamesWhatNothingClaimed) {
  Tensors tensors;
  for (const char* name : {"a.weight", "b.weight", "c.x.weight", "c.y", "cc", "d"}) tensors[name] = at::ones({1});
  write_safetensors(file(), tensors, {});
  const Weights w = open();
  const auto left = [&](const std::vector<std::string>& said) {
    return refused(ErrorCode::model, said, [&] { w.check_all_claimed(); });
  };
  const std::string path = file().string();
  EXPECT_TRUE(left({path, "6 tensors", R"("a.weight", "b.weight", "c.x.weight", …)"}));
  EXPECT_TRUE(w.has("a.weight"));
  EXPECT_TRUE(left({"6 tensors"})) << "has() claims nothing";
  w.leave("c");
  EXPECT_TRUE(left({path, "4 tensors", R"("a.weight", "b.weight", "cc", …)"})) << "c is no part of cc";
  (w / "a").tensor("weight", {1});
  EXPECT_TRUE(left({path, "3 tensors", R"("b.weight", "cc", "d";)"}));
  EXPECT_THROW(w.tensor("cc", {2}), Error);
  EXPECT_TRUE(left({path, "3 tensors", "\"cc\""})) << "a refused tensor isn't claimed";
  w.tensor("b.weight", {1});
  w.tensor("cc", {1});
  w.leave("e");
  EXPECT_TRUE(left({path, R"("d";)"}));
  w.tensor("d", {1});
  EXPECT_NO_THROW(w.check_all_claimed());
}

TEST_F(WeightsFolder, ConvertsToTheDtypeThatIsAsked) {
  const at::Tensor numbers = at::tensor({1.0F, -0.5F, 3.140625F});
  const std::vector<at::ScalarType> dtypes = {at::kFloat, at::kBFloat16, at::kHalf};
  Tensors tensors;
  for (const at::ScalarType dtype : dtypes) tensors[dtype_name(dtype)] = numbers.to(dtype);
  write_safetensors(file(), tensors, {});
  for (const at::ScalarType dtype : dtypes) {
    for (const FileAccess access : {FileAccess::read, FileAccess::map}) {
      const Weights w = open(dtype, access);
      EXPECT_EQ(w.dtype(), dtype);
      for (const auto& [name, stored] : tensors) {
        const at::Tensor given = w.tensor(name, {3});
        EXPECT_TRUE(given.scalar_type() == dtype && at::equal(given, stored.to(dtype))) << name;
        const bool mapped = given.const_data_ptr() == w.tensor(name, {3}).const_data_ptr();
        EXPECT_EQ(mapped, access == FileAccess::map && stored.scalar_type() == dtype)
            << name << ": no copy where the file is mapped and the dtypes agree";
      }
    }
  }
}

// What an interrupted download leaves. Biases may be zeros in a good file.
TEST_F(WeightsFolder, NamesTheTensorsThatAreAllZeros) {
  at::Tensor nearly = at::zeros({3000, 1000});
  nearly[2999][999] = 1;
  Tensors tensors = {{"a.weight", at::zeros({3, 2}, at::kBFloat16)},
                     {"a.bias", at::zeros({3})},
                     {"b.weight", nearly},
                     {"c.norm.weight", at::zeros({2}, at::kHalf)},
                     {"d.weight", at::zeros({2000, 1000})},
                     {"e.weight", at::empty({0, 4})},
                     {"f.weight", at::zeros({1})}};
  write_safetensors(file(), tensors, {});
  const auto uploader = std::make_shared<Uploader>(at::kCPU);
  for (const Weights& w : {open(), open(at::kBFloat16), open(at::kFloat, FileAccess::map),
                           Weights(folder_.path(), at::kFloat, uploader)}) {
    EXPECT_TRUE(w.warnings().empty()) << "nothing has been read";
    for (const auto& [name, tensor] : tensors) w.tensor(name, tensor.sizes());
    const std::string said = file().string() +
                             ": 4 tensors hold nothing but zeros: \"a.weight\", \"c.norm.weight\", \"d.weight\", …; "
                             "was the download interrupted?";
    ASSERT_EQ(w.warnings().size(), 1U);
    EXPECT_EQ(w.warnings()[0].rfind(said, 0), 0U) << w.warnings()[0];
  }
}

TEST_F(WeightsFolder, ATensorOutlivesTheWeights) {
  write_safetensors(file(), {{"a", at::ones({4})}}, {});
  const at::Tensor a = open().tensor("a", {4});
  fs::remove(file());
  EXPECT_TRUE(at::equal(a, at::ones({4})));
}

TEST_F(WeightsFolder, ReadsShards) {
  write_shards();
  const Weights w = open();
  EXPECT_TRUE(at::equal((w / "a").tensor("weight", {2}), at::ones({2})));
  EXPECT_TRUE(at::equal((w / "b").tensor("weight", {2, 2}), at::ones({2, 2})));
  EXPECT_TRUE(
      refused(ErrorCode::model, {file("one.safetensors").string(), "\"c.weight\""}, [&] { w.check_all_claimed(); }));
  EXPECT_TRUE(at::equal((w / "c").tensor("weight", {3}), at::ones({3})));
  EXPECT_NO_THROW(w.check_all_claimed());
}

TEST_F(WeightsFolder, NamesWhatIsWrongWithAnIndex) {
  const std::string index = file(kIndex).string();
  write_shards();
  for (const char* text : {"[]", "{}", "7", R"({"weight_map": []})", R"({"weight_map": null})"}) {
    write_bytes(file(kIndex), text);
    EXPECT_TRUE(open_refused({index, "weight_map"})) << text;
  }
  write_bytes(file(kIndex), "{");
  EXPECT_TRUE(open_refused({index, "not valid JSON"}));
  write_bytes(file(kIndex), R"({"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}})");
  EXPECT_TRUE(open_refused({index, "\"a\" is given twice"})) << "one tensor in two shards, says the index";

  for (const json& name : {json("../one.safetensors"), json("/etc/passwd"), json("sub/one.safetensors"), json(".."),
                           json("."), json(""), json(".hidden"), json("one.safetensors/"), json("./one.safetensors"),
                           json(1), json(), json::array({"one.safetensors"})}) {
    json map = kMap;
    map["a.weight"] = name;
    write_index(map);
    EXPECT_TRUE(open_refused({index, "a plain file name for \"a.weight\"", "found " + name.dump()}));
  }
}

TEST_F(WeightsFolder, NamesWhatIsWrongWithAShard) {
  write_shards();
  json map = kMap;
  map["b.weight"] = "three.safetensors";
  write_index(map);
  EXPECT_TRUE(open_refused({file("three.safetensors").string()})) << "no such file";
  map = kMap;
  map["d.weight"] = "two.safetensors";
  write_index(map);
  EXPECT_TRUE(open_refused({file("two.safetensors").string(), "\"d.weight\"", "missing", kIndex}));
  map = kMap;
  map.erase("c.weight");
  write_index(map);
  EXPECT_TRUE(open_refused({file("one.safetensors").string(), "\"c.weight\"", kIndex}));
  write_index(kMap);
  write_safetensors(file("two.safetensors"), {{"a.weight", at::ones({2})}, {"b.weight", at::ones({2})}}, {});
  EXPECT_TRUE(open_refused({file("two.safetensors").string(), "\"a.weight\"", kIndex})) << "in both shards";
  write_bytes(file("two.safetensors"), "short");
  EXPECT_TRUE(open_refused({file("two.safetensors").string(), "at least 8 bytes"}));
}

TEST_F(WeightsFolder, NamesTheFolderThatHoldsNothing) {
  EXPECT_TRUE(open_refused({folder_.path().string(), "model.safetensors", "found none"}));
  EXPECT_TRUE(refused(ErrorCode::model, {file("no").string()}, [&] { Weights(file("no"), at::kFloat); }));
  fs::create_symlink("blob", file());
  EXPECT_TRUE(open_refused({file().string(), "can't be opened"})) << "a link that leads nowhere";
}

// The small checkpoint in a folder of its own, to be changed.
class Checkpoint : public testing::Test {
 protected:
  Checkpoint() { fs::copy(checkpoint_folder("a"), folder_ / "a", fs::copy_options::recursive); }
  fs::path file(const std::string& name) const { return folder_ / "a" / (name + ".safetensors"); }
  static Tensors read(const fs::path& file) {
    const SafetensorsFile opened(file);
    Tensors tensors;
    for (const auto& entry : opened.tensors()) tensors[entry.first] = opened.tensor(entry.first);
    return tensors;
  }
  void load() const { const Model model(folder_ / "a", "float32"); }
  // With one file changed, is the checkpoint refused by what is `said`? Puts the file back.
  testing::AssertionResult refuses(const std::string& name, std::vector<std::string> said,
                                   const std::function<void(Tensors&)>& change) const {
    const Tensors good = read(file(name));
    Tensors changed = good;
    change(changed);
    write_safetensors(file(name), changed, {});
    said.push_back(file(name).parent_path().string());
    const auto result = refused(ErrorCode::model, said, [&] { load(); });
    write_safetensors(file(name), good, {});
    return result;
  }
  void shard(const std::string& name, at::ScalarType dtype) const {
    Tensors shards[2];
    json map;
    int count = 0;
    for (const auto& [tensor, value] : read(file(name))) {
      const int i = count++ % 2;
      shards[i][tensor] = value.to(i == 0 ? dtype : at::kFloat);
      map[tensor] = "shard-" + std::to_string(i) + ".safetensors";
    }
    const fs::path folder = file(name).parent_path();
    for (int i : {0, 1}) write_safetensors(folder / ("shard-" + std::to_string(i) + ".safetensors"), shards[i], {});
    write_bytes(file(name).string() + ".index.json", json{{"weight_map", map}}.dump());
    fs::remove(file(name));
  }
  const c10::InferenceMode inference_;
  const TemporaryFolder folder_;
};

constexpr const char* kGlyph = "text_encoder/model";
constexpr const char* kDit = "transformer/diffusion_pytorch_model";
constexpr const char* kVae = "vae/diffusion_pytorch_model";
constexpr const char* kPrior = "vision_language_encoder/model";

TEST_F(Checkpoint, LoadsInMixedTypesAndShards) {
  shard(kDit, at::kHalf);
  shard(kPrior, at::kBFloat16);
  for (const char* name : {kGlyph, kVae}) {
    Tensors tensors = read(file(name));
    for (auto& [key, value] : tensors) value = value.to(at::kBFloat16);
    write_safetensors(file(name), tensors, {});
  }
  EXPECT_NO_THROW(load());
  fs::remove(file(kDit).parent_path() / "shard-1.safetensors");
  EXPECT_TRUE(refused(ErrorCode::model, {"transformer/shard-1.safetensors"}, [&] { load(); }));
}

TEST_F(Checkpoint, NamesEachTensorThatIsMissing) {
  EXPECT_NO_THROW(load());
  for (const auto& [name, tensor] : {std::pair{kGlyph, "encoder.final_layer_norm.weight"},
                                     {kDit, "transformer_blocks.1.attn1.to_k.weight"},
                                     {kVae, "decoder.up_blocks.0.resnets.3.conv2.bias"},
                                     {kPrior, "model.language_model.layers.2.mlp.down_proj.weight"}}) {
    ASSERT_TRUE(read(file(name)).contains(tensor)) << tensor;
    const std::string quoted = std::string("\"") + tensor + "\"";
    EXPECT_TRUE(refuses(name, {quoted, "missing"}, [t = tensor](Tensors& all) { all.erase(t); }));
    EXPECT_TRUE(refuses(name, {quoted, file(name).string(), "expected shape", "found [7"}, [t = tensor](Tensors& all) {
      all[t] = at::cat({at::zeros({7}), at::empty({0})});
    }));
    EXPECT_TRUE(refuses(name, {quoted, file(name).string(), "found I64"},
                        [t = tensor](Tensors& all) { all[t] = all[t].to(at::kLong); }));
  }
}

TEST_F(Checkpoint, NamesATensorThatIsTurned) {
  EXPECT_TRUE(
      refuses(kPrior, {"mlp.down_proj.weight\"", "expected shape [64, 96]", "found [96, 64]"}, [](Tensors& all) {
        at::Tensor& turned = all.at("model.language_model.layers.0.mlp.down_proj.weight");
        turned = turned.t();
      }));
}

TEST_F(Checkpoint, NamesATensorThatHasNoPlace) {
  for (const char* name : {kGlyph, kDit, kVae, kPrior}) {
    EXPECT_TRUE(refuses(name, {file(name).string(), "1 tensor", "\"stray.lora.weight\"", "doesn't use"},
                        [](Tensors& all) { all["stray.lora.weight"] = at::ones({1}); }));
  }
}

}  // namespace
}  // namespace glm
