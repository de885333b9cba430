// LoadOptions::precision: components whose weights become codes when they are loaded.
#include <ATen/ATen.h>

#include "engine/checkpoint/weights.h"
#include "engine/components/layers/linear.h"
#include "engine/run/memory.h"
#include "engine/run/precision.h"
#include "glm/error.h"
#include "glm/weight_formats.h"
#include "kernels/host/products.h"
#include "kernels/quantiser.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

const fs::path kNano = fs::path(GLM_SOURCE_DIR) / "models/nano";

TEST(PrecisionText, NamesComponentsInAnyOrder) {
  EXPECT_EQ(Precision::of("").text(), "prior=bf16,dit=bf16");
  EXPECT_EQ(Precision::of("prior=fp8").text(), "prior=fp8,dit=bf16");
  EXPECT_EQ(Precision::of("dit=int8,prior=int4").text(), "prior=int4,dit=int8");
  EXPECT_EQ(whole_precision("dit=int4"), "prior=bf16,dit=int4");
  const std::vector<std::string> choices = {"prior=bf16", "prior=fp8", "prior=int8", "prior=int4",
                                            "dit=bf16",   "dit=int8",  "dit=int4"};
  EXPECT_EQ(precision_choices(), choices);
}

TEST(PrecisionText, WhatItDoesNotKnowIsRefused) {
  for (const char* text :
       {"int4", "prior", "prior=", "prior=fp7", "dit=fp8", "vae=int8", "prior=int4;dit=int8", ",", "prior=int4,",
        ",prior=int4", "prior=int4,,dit=int8", " prior=int4", "prior=INT4", "prior=autoround"}) {
    EXPECT_TRUE(refused(ErrorCode::usage, {"precision: expected prior=bf16", "dit=int8 or dit=int4", text}, [&] {
      Precision::of(text);
    })) << text;
  }
  EXPECT_TRUE(refused(ErrorCode::usage, {"--precision: expected each component once", "leave out one prior="},
                      [] { Precision::of("prior=int4,dit=int8,prior=int8", "--precision"); }));
}

TEST(PrecisionText, Fp8NeedsAGpuAndAGpuNeedsBfloat16) {
  const CheckpointName nano(kNano);
  const auto check = [&](const char* text, at::ScalarType dtype, at::Device device) {
    check_precision(Precision::of(text), nano, dtype, device);
  };
  const at::Device gpu(at::kCUDA, 0);
  EXPECT_NO_THROW(check("prior=int4,dit=int8", at::kFloat, at::kCPU));
  EXPECT_NO_THROW(check("prior=fp8,dit=int4", at::kBFloat16, gpu));
  EXPECT_NO_THROW(check("dit=int4", at::kFloat, gpu));
  EXPECT_TRUE(refused(ErrorCode::device, {"prior=fp8", "expected a GPU", "take prior=int8"},
                      [&] { check("prior=fp8", at::kBFloat16, at::kCPU); }));
  EXPECT_TRUE(refused(ErrorCode::usage, {"prior=int4", "--dtype bfloat16", "float32"},
                      [&] { check("prior=int4", at::kFloat, gpu); }));
}

// Weights are numbers unless their place is named; then they are what the quantiser makes of them.
TEST(WeightsInCodes, AreThoseOfTheNamedPlaces) {
  const c10::InferenceMode inference;
  const Weights plain(kNano / "transformer", at::kFloat);
  const Weights block = dit_in_format(plain, cuda::Format::int4) / "transformer_blocks" / "0";
  const int64_t dim = 256;
  const std::optional<CodedWeight> coded = (block / "attn1" / "to_q").coded("weight", {dim, dim});
  ASSERT_TRUE(coded);
  const at::Tensor dense = (plain / "transformer_blocks" / "0" / "attn1" / "to_q").tensor("weight", {dim, dim});
  EXPECT_TRUE(at::equal(coded->numbers(at::kFloat, 0, dim),
                        quantised(dense, CodedWeight::Coding::int4).numbers(at::kFloat, 0, dim)));
  EXPECT_EQ(coded->bits(), 4);
  EXPECT_FALSE((block / "norm1.linear").coded("weight", {12 * dim, 64})) << "it modulates";
  EXPECT_FALSE((plain / "transformer_blocks" / "0" / "attn1" / "to_q").coded("weight", {dim, dim}));
  const Weights changed = plain.changed([](const std::string&, const at::Tensor& weight) { return weight * 2; });
  const auto doubled = (dit_in_format(changed, cuda::Format::int8) / "transformer_blocks" / "0" / "attn1" / "to_q")
                           .coded("weight", {dim, dim});
  ASSERT_TRUE(doubled) << "an adapter's changes come first";
  EXPECT_TRUE(at::equal(doubled->numbers(at::kFloat, 0, dim),
                        quantised(dense * 2, CodedWeight::Coding::int8).numbers(at::kFloat, 0, dim)));
}

// Writes the checkpoint's numbers after they have become codes into a copy, so that it needs no precision.
void write_numbers(const fs::path& folder, at::ScalarType dtype, CodedWeight::Coding prior, CodedWeight::Coding dit) {
  const auto rewrite = [&](const char* file, const std::vector<std::string>& places, CodedWeight::Coding coding) {
    rewrite_tensors(folder / file, [&](std::map<std::string, at::Tensor>& tensors) {
      int64_t count = 0;
      for (auto& [name, tensor] : tensors) {
        for (const std::string& place : places) {
          if (name.find(place) == std::string::npos || !name.ends_with("weight") || tensor.dim() != 2) continue;
          tensor = quantised(tensor.to(dtype), coding).numbers(dtype, 0, tensor.size(0));
          ++count;
        }
      }
      ASSERT_GT(count, 20) << file;
    });
  };
  rewrite("vision_language_encoder/model.safetensors", {"language_model.layers.", "lm_head."}, prior);
  rewrite("transformer/diffusion_pytorch_model.safetensors", {".attn1.", ".ff."}, dit);
}

// The picture of codes is the picture of their numbers.
TEST(ComponentFormats, DrawWhatTheirNumbersDraw) {
  using Coding = CodedWeight::Coding;
  for (const auto& [precision, prior, dit] : {std::tuple{"prior=int4,dit=int8", Coding::int4, Coding::int8},
                                              {"prior=int8,dit=int4", Coding::int8, Coding::int4}}) {
    for (const auto& [name, dtype] : {std::pair{"float32", at::kFloat}, {"bfloat16", at::kBFloat16}}) {
      // Where ATen multiplies by bf16, the tiles of a coded weight aren't added in the order of the whole weight.
      if (dtype == at::kBFloat16 && !host::takes_products(at::empty({1}, at::kBFloat16))) continue;
      const TemporaryFolder folder;
      fs::copy(kNano, folder / "numbers", fs::copy_options::recursive);
      write_numbers(folder / "numbers", dtype, prior, dit);
      Request request;
      request.prompt = "a red apple";
      request.width = request.height = 128;
      request.steps = 2;
      const auto draw = [&](const fs::path& checkpoint, const char* asked, const char* look_ahead) {
        const Pipeline pipeline(
            checkpoint, {.dtype = name, .device = "cpu", .precision = asked, .look_ahead = look_ahead, .threads = 1});
        return pipeline.generate(request, {}).pictures.at(0).image.rgb;
      };
      const auto right = draw(folder / "numbers", "", "off");
      EXPECT_EQ(draw(kNano, precision, "off"), right) << precision << " " << name;
      EXPECT_EQ(draw(kNano, precision, "5"), right) << precision << " " << name;
      EXPECT_EQ(draw(kNano, precision, "auto"), right) << precision << " " << name;
      EXPECT_NE(draw(kNano, "", "off"), right) << "codes change the picture";
    }
  }
}

TEST(ComponentFormats, TakeLessMemory) {
  const CheckpointName nano("random:" + (fs::path(GLM_SOURCE_DIR) / "models/public").string());
  const ModelConfig config(nano.folder);
  const auto bytes = [&](const char* text) {
    return bytes_of_weights(nano, config, at::kBFloat16, Precision::of(text));
  };
  const double all = bytes("");
  const double four_bits = 0.5 + 4.0 / 128;  // a scale and a zero for each 128
  const double dit = 30.0 * 12 * 4096 * 4096;
  EXPECT_DOUBLE_EQ(all - bytes("prior=int4"), prior_layer_weights(config.prior) * (2 - four_bits));
  EXPECT_DOUBLE_EQ(all - bytes("dit=int8"), dit);
  EXPECT_DOUBLE_EQ(all - bytes("dit=int4"), dit * (2 - four_bits));
  EXPECT_DOUBLE_EQ(all - bytes("prior=int8,dit=int8"), prior_layer_weights(config.prior) + dit);
  EXPECT_LT(bytes_of_pass(nano, config, at::kBFloat16, Precision::of("prior=int4")),
            0.3 * bytes_of_pass(nano, config, at::kBFloat16, Precision::of("")));
}

}  // namespace
}  // namespace glm
