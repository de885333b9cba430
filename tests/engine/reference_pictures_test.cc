// Pictures from pictures through the public interface: any reference, several seeds, what is kept, what is refused.
#include <ATen/ATen.h>

#include "engine/checkpoint/dtype.h"
#include "engine/run/references.h"
#include "glm/picture_file.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/checkpoints.h"
#include "tests/support/compare.h"
#include "tests/support/reference_picture.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

const fs::path kCheckpointC = checkpoint_folder("c");

Request from(std::vector<Image> references) {
  Request request = small_request({7});
  request.prompt = "at night, 'A'";
  request.references = std::move(references);
  return request;
}

Pipeline open(const std::string& dtype = "float32", int64_t reference_bytes = -1) {
  return {kCheckpointC,
          {.dtype = dtype, .device = test_device_name(), .threads = 1, .reference_bytes = reference_bytes}};
}

class FromReferences : public testing::TestWithParam<const char*> {};

TEST_P(FromReferences, EachPictureEqualsTheOneDrawnAlone) {
  const std::vector<Image> references = {draw_reference({150, 130, 1}), draw_reference({128, 200, 2})};
  const Pipeline pipeline = open(GetParam());
  const Pipeline forgetful = open(GetParam(), 0);
  Request request = from(references);
  request.seeds = {7, 8};
  const Result together = pipeline.generate(request, {});
  ASSERT_EQ(together.times[0].stage, Stage::references);
  EXPECT_EQ(together.times[0].units, 2);
  for (const Picture& picture : together.pictures) {
    request.seeds = {picture.seed};
    EXPECT_TRUE(pipeline.generate(request, {}).pictures[0].image.rgb == picture.image.rgb) << "kept references";
    EXPECT_TRUE(forgetful.generate(request, {}).pictures[0].image.rgb == picture.image.rgb) << "read again";
  }
  EXPECT_FALSE(together.pictures[0].image.rgb == together.pictures[1].image.rgb);
  request.references.pop_back();
  EXPECT_FALSE(pipeline.generate(request, {}).pictures[0].image.rgb == together.pictures[1].image.rgb);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, FromReferences, testing::Values("float32", "bfloat16"),
                         [](const auto& dtype) { return std::string(dtype.param); });

TEST(ReferenceStoreOf, TheLastOnesKeepsNoMoreThanItsLimit) {
  const c10::InferenceMode inference;
  const Model model(kCheckpointC, "float32", test_device());
  const std::vector<Image> pictures = {draw_reference({128, 128, 1}), draw_reference({128, 128, 2}),
                                       draw_reference({128, 128, 3})};
  const auto ignore = [](int64_t, int64_t) {};
  const auto read = [&](ReferenceStore& store, size_t i) {
    return read_references(model, {pictures[i]}, store, Injection(), ignore, {})[0];
  };
  ReferenceStore unbounded(int64_t{1} << 30);
  const auto first = read(unbounded, 0);
  EXPECT_EQ(read(unbounded, 0), first) << "the same object: nothing was computed";
  EXPECT_NE(read(unbounded, 1), first);
  EXPECT_EQ(unbounded.count(), 2);
  EXPECT_GT(first->bytes(), first->condition.bytes());

  ReferenceStore two(2 * first->bytes());
  const auto kept = read(two, 0);
  const auto lost = read(two, 1);
  EXPECT_EQ(read(two, 0), kept);  // used last now
  read(two, 2);
  EXPECT_EQ(two.count(), 2);
  EXPECT_LE(two.bytes(), 2 * first->bytes());
  EXPECT_EQ(read(two, 0), kept);
  EXPECT_NE(read(two, 1), lost);

  ReferenceStore none(first->bytes() - 1);
  EXPECT_NE(read(none, 0), read(none, 0));
  EXPECT_EQ(none.count(), 0);
}

TEST(ReferencesDump, ComesBackByInjection) {
  const TemporaryFolder folder;
  const Pipeline pipeline = open();
  Request request = from({draw_reference({150, 130, 1}), draw_reference({128, 200, 2})});
  request.seeds = {3, 4};
  request.dump = folder / "dump.safetensors";
  request.full_taps = true;
  const Result first = pipeline.generate(request, {});
  const SafetensorsFile dump(request.dump);
  EXPECT_EQ(dump.tensors().at("ar.in.image_grid_thw").shape, (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(dump.tensors().at("prior.source0.grid").shape, (std::vector<int64_t>{2, 3}));
  for (const char* name : {"vision.block0", "vq.quant_conv", "dit.write1.out", "dit.kv.sample0.layer1.v"}) {
    EXPECT_TRUE(dump.tensors().contains(name)) << name;
  }
  for (const char* name : {"prior.source0.ids", "vae.cond1.mean", "ar.in.input_ids"}) {
    write_safetensors(folder / "one.safetensors", {{name, dump.tensor(name)}}, {});
    Request again = request;
    again.dump.clear();
    again.inject = folder / "one.safetensors";
    const Result second = pipeline.generate(again, {});
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(first.pictures[i].image.rgb == second.pictures[i].image.rgb) << name;
  }
  write_safetensors(folder / "one.safetensors", {{"prior.source0.ids", dump.tensor("prior.source0.ids") * 0}}, {});
  request.inject = folder / "one.safetensors";
  request.dump.clear();
  EXPECT_FALSE(pipeline.generate(request, {}).pictures[0].image.rgb == first.pictures[0].image.rgb);
  request.references.pop_back();
  EXPECT_TRUE(
      refused(ErrorCode::usage, {"prior.source0.ids", "expected shape"}, [&] { pipeline.generate(request, {}); }));
  write_safetensors(folder / "one.safetensors", {{"ar.in.input_ids", dump.tensor("ar.in.input_ids").slice(1, 9)}}, {});
  EXPECT_TRUE(refused(ErrorCode::usage, {"ar.in.input_ids", "for a reference's tokens"},
                      [&] { pipeline.generate(request, {}); }));
}

TEST(ReferenceRequest, NamesWhatCannotBeMet) {
  const Pipeline pipeline = open();
  const auto refusal = [&](std::vector<Image> references, std::vector<std::string> said) {
    return refused(ErrorCode::usage, std::move(said), [&] { pipeline.generate(from(std::move(references)), {}); });
  };
  EXPECT_TRUE(refusal(std::vector<Image>(9, draw_reference({16, 16, 1})), {"references", "at most 8", "found 9"}));
  EXPECT_TRUE(refusal({draw_reference({15, 16, 1})}, {"reference", "16 to 8192", "found 15x16"}));
  EXPECT_TRUE(refusal({{.width = 16, .height = 8193, .rgb = {}}}, {"reference", "16 to 8192", "found 16x8193"}));
  EXPECT_TRUE(refusal({{.width = 8192, .height = 8192, .rgb = {}}}, {"33554432 in all", "found 8192x8192"}));
  EXPECT_TRUE(refusal({{.width = 16, .height = 16, .rgb = {1, 2}}}, {"3 bytes", "16x16", "found 2 bytes"}));
}

TEST(ReferenceNotFinite, EndsTheRunWithTheStagesName) {
  for (const auto& [component, file, tensor, said] :
       {std::tuple{"vision_language_encoder", "model", "model.visual.blocks.0.norm1.bias", "features"},
        std::tuple{"vae", "diffusion_pytorch_model", "encoder.conv_out.bias", "reference's latents"}}) {
    const TemporaryFolder folder;
    fs::copy(kCheckpointC, folder / "c", fs::copy_options::recursive);
    rewrite_tensors(folder / "c" / component / (std::string(file) + ".safetensors"),
                    [name = tensor](auto& tensors) { tensors.at(name).flatten()[0] = std::nan(""); });
    const Pipeline pipeline(folder / "c", {.dtype = "float32", .device = test_device_name(), .threads = 1});
    EXPECT_TRUE(refused(ErrorCode::model, {said, "not finite"}, [&] {
      pipeline.generate(from({draw_reference({128, 128, 1})}), {});
    }));
  }
}

struct Shape {
  int64_t width, height;              // of the reference
  int64_t drawn_width, drawn_height;  // by nano, whose area is 256 x 256
};

class AnyReference : public testing::TestWithParam<Shape> {};

// Most of these crash upstream: its two grids disagree.
TEST_P(AnyReference, GivesAPictureOfItsAspect) {
  const Pipeline nano(fs::path(GLM_SOURCE_DIR) / "models/nano", {.device = test_device_name()});
  Request request = from({draw_reference({GetParam().width, GetParam().height, 1})});
  request.width = request.height = std::nullopt;
  request.steps = 1;
  const Image drawn = nano.generate(request, {}).pictures[0].image;
  EXPECT_EQ(drawn.width, GetParam().drawn_width);
  EXPECT_EQ(drawn.height, GetParam().drawn_height);
}

INSTANTIATE_TEST_SUITE_P(Sizes, AnyReference,
                         testing::Values(Shape{1080, 1920, 192, 352}, Shape{500, 500, 256, 256},
                                         Shape{720, 1280, 192, 352}, Shape{4000, 3000, 288, 224},
                                         Shape{17, 900, 128, 512}, Shape{16, 8192, 128, 512}, Shape{16, 16, 256, 256}),
                         [](const auto& shape) {
                           return std::to_string(shape.param.width) + "x" + std::to_string(shape.param.height);
                         });

TEST(ReferenceFiles, WithTransparencyOrInksGiveAPicture) {
  const Pipeline nano(fs::path(GLM_SOURCE_DIR) / "models/nano", {.device = test_device_name()});
  for (const char* name : {"rgba.png", "cmyk.jpg"}) {
    Request request = from({read_picture(fs::path(GLM_SOURCE_DIR) / "tests/pictures/goldens/files" / name)});
    request.steps = 1;
    EXPECT_EQ(nano.generate(request, {}).pictures[0].image.height, 160) << name;
  }
}

// The sum over sequences is the attention over all of them together.
class AttentionToSequences : public testing::TestWithParam<at::ScalarType> {};

TEST_P(AttentionToSequences, IsAttentionToAllTogether) {
  const c10::InferenceMode inference;
  at::manual_seed(1);
  const auto options = at::TensorOptions(GetParam()).device(test_device());
  const auto draw = [&](int64_t length) { return at::randn({1, length, 3, 24}).to(options); };
  const at::Tensor q = 3 * draw(37);
  const std::vector<KeyValues> sequences = {{draw(37), draw(37)}, {draw(1), draw(1)}, {5 * draw(64), draw(64)}};
  const auto all = [&](at::Tensor KeyValues::*part) {
    return at::cat({sequences[0].*part, sequences[1].*part, sequences[2].*part}, 1);
  };
  const at::Tensor together =
      attention(q, all(&KeyValues::k), all(&KeyValues::v), {.scale = 0.2, .causal = false, .bias = {}});
  const at::Tensor apart = attention(q, sequences, 0.2);
  if (GetParam() == at::kFloat) {
    EXPECT_TRUE(near(apart.cpu(), together.cpu(), together.abs().max().item<double>(), tolerance::kStage));
  } else {
    EXPECT_GE(cosine(apart.cpu(), together.cpu()), tolerance::kBf16Cosine);
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, AttentionToSequences, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& dtype) { return dtype_name(dtype.param); });

}  // namespace
}  // namespace glm
