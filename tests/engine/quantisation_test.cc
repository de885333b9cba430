// Quantised weights against what auto-round and sdnq make of them themselves, and against files that lie.
#include "engine/checkpoint/quantisation.h"

#include <ATen/ATen.h>

#include <limits>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/layers/linear.h"
#include "engine/device/upload.h"
#include "engine/run/precision.h"
#include "tests/base/refusal.h"
#include "tests/support/compare.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kFolder = fs::path(GLM_SOURCE_DIR) / "tests/data/quantised";

// weights_tools/reference/make_quantised_layers.py writes these.
class Quantised : public testing::TestWithParam<const char*> {
 protected:
  Quantised() {
    for (const auto& [name, info] : numbers_.tensors()) {
      if (name.ends_with(".bf16")) layers_.push_back(name.substr(0, name.size() - 5));
    }
  }
  at::Tensor numbers(const std::string& layer, at::ScalarType dtype) const {
    return numbers_.tensor(layer + (dtype == at::kFloat ? ".fp32" : ".bf16"));
  }
  Weights open(at::ScalarType dtype, std::shared_ptr<Uploader> uploader = nullptr) const {
    return {kFolder / GetParam(), dtype, std::move(uploader)};
  }

  const SafetensorsFile numbers_{kFolder / GetParam() / "numbers.safetensors"};
  std::vector<std::string> layers_;
};

TEST_P(Quantised, NumbersAreThePackagesOwn) {
  ASSERT_FALSE(layers_.empty());
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    const Weights w = open(dtype);
    for (const std::string& layer : layers_) {
      const at::Tensor right = numbers(layer, dtype);
      const auto coded = (w / layer).coded("weight", right.sizes());
      ASSERT_TRUE(coded) << layer;
      EXPECT_TRUE(at::equal(coded->numbers(dtype, 0, right.size(0)), right)) << layer;
      EXPECT_TRUE(at::equal(coded->numbers_by_aten(dtype, 0, right.size(0)), right)) << layer;
      EXPECT_TRUE(at::equal((w / layer).tensor("weight", right.sizes()), right)) << layer;
      if ((w / layer).has("bias")) (w / layer).tensor("bias", {right.size(0)});
    }
    EXPECT_NO_THROW(w.check_all_claimed());
    EXPECT_TRUE(w.warnings().empty());
  }
}

TEST_P(Quantised, NumbersAreTheSameThroughAnUploader) {
  const Weights w = open(at::kBFloat16, std::make_shared<Uploader>(at::kCPU, /*buffer_bytes=*/1000));
  for (const std::string& layer : layers_) {
    const at::Tensor right = numbers(layer, at::kBFloat16);
    EXPECT_TRUE(at::equal((w / layer).tensor("weight", right.sizes()), right)) << layer;
  }
}

// Layers with codes of another kind stay apart, and with dense ones, too.
TEST_P(Quantised, LayersOfAnyKindsAreComputedAsOne) {
  const Weights w = open(at::kBFloat16);
  std::vector<Linear::Part> parts;
  std::vector<at::Tensor> dense;
  for (const std::string& layer : layers_) {
    dense.push_back(numbers(layer, at::kBFloat16));
    parts.push_back({w / layer, dense.back().size(0)});
  }
  at::manual_seed(3);
  const at::Tensor x = at::randn({5, 256}).to(at::kBFloat16);
  const at::Tensor right = at::linear(x.to(at::kDouble), at::cat(dense).to(at::kDouble));
  const Linear layer(parts, 256, Linear::Bias::no);
  EXPECT_EQ(layer.out(), right.size(1));
  EXPECT_TRUE(equal_as_bf16(layer.forward(x), right.to(at::kBFloat16)));
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor y = at::empty(right.sizes(), at::kFloat);
  layer.multiply_rows({.weight = {},
                       .x = wide.const_data_ptr<float>(),
                       .x_stride = 256,
                       .rows = 5,
                       .y = y.data_ptr<float>(),
                       .y_stride = right.size(1)});
  EXPECT_TRUE(near(y, right.to(at::kFloat), right.abs().max().item<double>(), tolerance::kStage));
}

INSTANTIATE_TEST_SUITE_P(Each, Quantised,
                         testing::Values("autoround_128", "autoround_64", "autoround_32", "sdnq", "sdnq_bf16",
                                         "sdnq_rows", "sdnq_32"),
                         [](const auto& test) { return std::string(test.param); });

TEST(Quantisation, SaysWhatItIs) {
  EXPECT_EQ(Quantisation::of(kFolder / "autoround_128")->text(), "AutoRound int4, groups of 128");
  EXPECT_EQ(Quantisation::of(kFolder / "sdnq")->text(), "SDNQ uint4, float5, int5");
  EXPECT_FALSE(Quantisation::of(fs::path(GLM_SOURCE_DIR) / "models/nano/transformer"));
  EXPECT_FALSE(Quantisation::of(kFolder / "no such folder"));
}

TEST(Quantisation, WhatIsQuantisedIsNotQuantisedAgain) {
  const CheckpointName small(kFolder / "q_autoround");
  const CheckpointName random("random:" + small.folder.string());
  EXPECT_EQ(quantisation_of(small, "vision_language_encoder"), "AutoRound int4, groups of 32");
  EXPECT_EQ(quantisation_of(random, "vision_language_encoder"), "");
  const auto check = [](const char* precision, const CheckpointName& checkpoint) {
    check_precision(Precision::of(precision), checkpoint, at::kBFloat16, at::kCPU);
  };
  EXPECT_NO_THROW(check("prior=bf16,dit=bf16", small));
  EXPECT_NO_THROW(check("prior=int4", random));
  for (const char* precision : {"prior=int4", "dit=int8"}) {
    EXPECT_TRUE(
        refused(ErrorCode::usage, {precision, "AutoRound int4", "=bf16 for it"}, [&] { check(precision, small); }));
  }
}

// A copy of a component, to be changed.
class LyingFolder : public testing::Test {
 protected:
  void copy(const char* name) {
    options_ = read_json(kFolder / name / "config.json")["quantization_config"];
    const SafetensorsFile file(kFolder / name / "model.safetensors");
    tensors_.clear();
    for (const auto& [tensor, info] : file.tensors()) tensors_[tensor] = file.read(tensor);
  }
  void write() const {
    write_bytes(folder_ / "config.json", json{{"quantization_config", options_}}.dump());
    write_safetensors(folder_ / "model.safetensors", tensors_, {});
  }
  testing::AssertionResult options_refused(const std::vector<std::string>& said) const {
    write();
    return refused(ErrorCode::model, said, [&] { Weights(folder_.path(), at::kFloat); });
  }
  testing::AssertionResult weight_refused(const std::string& layer, int64_t out, std::vector<std::string> said) const {
    write();
    return refused(ErrorCode::model, said, [&] {
      (Weights(folder_.path(), at::kFloat) / layer).tensor("weight", {out, 256});
    });
  }

  const TemporaryFolder folder_;
  json options_;
  std::map<std::string, at::Tensor> tensors_;
};

TEST_F(LyingFolder, OptionsThatNobodyReadsAreNamed) {
  const auto refuses = [&](const char* name, const char* key, const json& value, const std::string& text) {
    copy(name);
    options_[key] = value;
    return options_refused({"config.json", key, text, "zai-org/GLM-Image"});
  };
  for (const char* method : {"gptq", "awq", "bitsandbytes", "torchao", "quanto", "modelopt", "sdnq_training"}) {
    EXPECT_TRUE(refuses("sdnq", "quant_method", method, method));
  }
  EXPECT_TRUE(refuses("sdnq", "quant_method", 7, "7"));
  EXPECT_TRUE(refuses("autoround_128", "bits", 8, "8"));
  EXPECT_TRUE(refuses("autoround_128", "packing_format", "auto_round", "auto_round:auto_gptq"));
  EXPECT_TRUE(refuses("autoround_128", "packing_format", "auto_round:auto_awq", "auto_round:auto_awq"));
  EXPECT_TRUE(refuses("autoround_128", "data_type", "fp", "fp"));
  EXPECT_TRUE(refuses("autoround_128", "extra_config", json{{"a", {{"bits", 8}}}}, "bits"));
  EXPECT_TRUE(refuses("autoround_128", "group_size", 7, "7"));
  EXPECT_TRUE(refuses("autoround_128", "group_size", -3, "-3"));
  EXPECT_TRUE(refuses("autoround_128", "group_size", int64_t{1} << 62, "an even number up to 1048576"));
  EXPECT_TRUE(refuses("autoround_128", "group_size", std::numeric_limits<uint64_t>::max(), "18446744073709551615"));
  EXPECT_TRUE(refuses("autoround_128", "group_size", "128", "128"));
  EXPECT_TRUE(refuses("autoround_128", "act_bits", 8, "8"));
  EXPECT_TRUE(refuses("autoround_128", "desc_act", true, "true"));
  EXPECT_TRUE(refuses("sdnq", "weights_dtype", "int6", "int6"));
  EXPECT_TRUE(refuses("sdnq", "weights_dtype", nullptr, "null"));
  EXPECT_TRUE(refuses("sdnq", "group_size", -2, "-2"));
  EXPECT_TRUE(refuses("sdnq", "scale_dtype", "float8_e4m3fn", "float8_e4m3fn"));
  EXPECT_TRUE(refuses("sdnq", "modules_quant_config", json{{"a", json::object()}}, "a"));
  EXPECT_TRUE(refuses("sdnq", "modules_dtype_dict", json{{"int6", {"a.weight"}}}, "int6"));
  for (const char* key : {"use_svd", "use_hadamard", "use_codebook", "use_codebook_scale", "quant_conv"}) {
    EXPECT_TRUE(refuses("sdnq", key, true, "true"));
  }
}

TEST_F(LyingFolder, TensorsThatContradictTheConfigurationAreNamed) {
  copy("autoround_128");
  options_["group_size"] = 64;
  EXPECT_TRUE(weight_refused("plain", 32, {"plain.scales", "[4, 32]", "[2, 32]"}));
  options_["group_size"] = 96;
  EXPECT_TRUE(weight_refused("plain", 32, {"plain.weight", "groups of 96", "[32, 256]"}));
  copy("autoround_128");
  EXPECT_TRUE(weight_refused("plain", 64, {"plain.qweight", "[32, 64]", "[32, 32]"}));
  tensors_["plain.scales"][1][3] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(weight_refused("plain", 32, {"plain.weight", "finite"}));
  copy("autoround_128");
  tensors_["plain.qweight"] = tensors_["plain.qweight"].to(at::kLong);
  EXPECT_TRUE(weight_refused("plain", 32, {"plain.qweight", "I32", "I64"}));
  copy("autoround_128");
  tensors_["plain.qzeros"][0][1] = 0x77777778;
  EXPECT_TRUE(weight_refused("plain", 32, {"plain.weight", "zeros of 8", "sym"}));
  tensors_.erase("plain.qzeros");
  EXPECT_TRUE(weight_refused("plain", 32, {"plain.qzeros", "missing"}));
  tensors_.erase("plain.scales");
  EXPECT_TRUE(weight_refused("plain", 32, {"plain.scales", "missing"}));
  tensors_.erase("plain.qweight");
  EXPECT_TRUE(weight_refused("plain", 32, {"plain.weight", "missing", "Download it again"}));

  copy("sdnq");
  EXPECT_TRUE(weight_refused("four", 48, {"four.weight", "48 rows", "[24, 4, 1]", "does config.json"}));
  options_["modules_dtype_dict"] = json::object();
  EXPECT_TRUE(weight_refused("five", 24, {"five.weight", "[3072]", "[768, 5]"}));
  copy("sdnq");
  tensors_.erase("four.zero_point");
  EXPECT_TRUE(weight_refused("four", 24, {"four.zero_point", "missing"}));
  tensors_.erase("four.scale");
  EXPECT_TRUE(weight_refused("four", 24, {"four.scale", "missing"}));
  copy("sdnq");
  tensors_["five.scale"] = tensors_["five.scale"].slice(1, 0, 1).expand({24, 3, 1}).contiguous();
  EXPECT_TRUE(weight_refused("five", 24, {"five.weight", "scale", "[24, 3, 1]"}));
  tensors_["five.scale"] = at::ones({2, 24, 1});
  EXPECT_TRUE(weight_refused("five", 24, {"five.weight", "scale", "[2, 24, 1]"}));
  tensors_["five.scale"] = at::full({24, 2, 1}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(weight_refused("five", 24, {"five.weight", "finite", "found NaN"}));
  tensors_["five.scale"] = at::ones({24, 2, 1}, at::kInt);
  EXPECT_TRUE(weight_refused("five", 24, {"five.scale", "F32", "I32"}));
}

TEST_F(LyingFolder, ADamagedSecondCopyOfTheOptionsIsTold) {
  copy("sdnq");
  write_bytes(folder_ / "quantization_config.json", "{");
  EXPECT_TRUE(options_refused({"quantization_config.json", "not valid JSON"}));
}

TEST_F(LyingFolder, AutoRoundMayLeaveLayersAsTheyAre) {
  copy("autoround_128");
  options_["extra_config"] = {{"plain", {{"bits", 16}, {"data_type", "fp"}}}};
  write();
  EXPECT_NO_THROW((Weights(folder_.path(), at::kFloat) / "plain").tensor("weight", {32, 256}));
}

TEST_F(LyingFolder, SdnqNamesAWeightOnce) {
  copy("sdnq");
  options_["modules_dtype_dict"]["float5_e3m1fn"].push_back("five");
  EXPECT_TRUE(weight_refused("five", 24, {"modules_dtype_dict", "five.weight", "int5", "float5_e3m1fn"}));
}

// A weight may be named whole, by a module in it, or by the beginning of its name. Upstream: sdnq's check_param_name_in
TEST_F(LyingFolder, SdnqNamesWeightsInSeveralWays) {
  for (const char* entry : {"five.weight", "five", ".five", "fi*"}) {
    copy("sdnq");
    options_["modules_dtype_dict"] = {{"int5", {entry}}, {"float5_e3m1fn", {"float.weight"}}};
    write();
    EXPECT_NO_THROW((Weights(folder_.path(), at::kFloat) / "five").tensor("weight", {24, 256})) << entry;
  }
}

}  // namespace
}  // namespace glm
