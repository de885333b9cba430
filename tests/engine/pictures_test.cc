// Several pictures, any size, and what is wrong with a picture, through the public interface.
#include <ATen/ATen.h>

#include "glm/error.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/reference_picture.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

class Pictures : public testing::TestWithParam<const char*> {};

TEST_P(Pictures, EachEqualsTheOneDrawnAlone) {
  const Pipeline pipeline(checkpoint_a(), {.dtype = GetParam(), .device = test_device_name(), .threads = 1});
  const Result together = pipeline.generate(small_request({7, 8, 41}), {});
  ASSERT_EQ(together.pictures.size(), 3);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(together.pictures[i].seed, (std::vector<uint64_t>{7, 8, 41})[i]);
  for (const Picture& picture : together.pictures) {
    const Result alone = pipeline.generate(small_request({picture.seed}), {});
    EXPECT_EQ(alone.pictures[0].seed, picture.seed);
    EXPECT_TRUE(alone.pictures[0].image.rgb == picture.image.rgb) << "seed " << picture.seed;
  }
  EXPECT_FALSE(together.pictures[0].image.rgb == together.pictures[1].image.rgb);
}

INSTANTIATE_TEST_SUITE_P(Dtypes, Pictures, testing::Values("float32", "bfloat16"),
                         [](const auto& dtype) { return std::string(dtype.param); });

TEST(PictureThreads, TheirNumberChangesNothing) {
  Request request = small_request({7});
  request.width = request.height = 256;  // nano's: large enough to be shared among threads
  std::vector<std::vector<uint8_t>> drawn;
  std::vector<std::vector<uint8_t>> from_reference;
  for (const int threads : {1, 2, 3}) {
    const Pipeline pipeline(fs::path(GLM_SOURCE_DIR) / "models/nano",
                            {.dtype = "auto", .device = test_device_name(), .threads = threads});
    request.references.clear();
    drawn.push_back(pipeline.generate(request, {}).pictures[0].image.rgb);
    request.references = {draw_reference({300, 200, 1})};
    from_reference.push_back(pipeline.generate(request, {}).pictures[0].image.rgb);
  }
  for (const auto& pictures : {drawn, from_reference}) {
    EXPECT_TRUE(pictures[0] == pictures[1]);
    EXPECT_TRUE(pictures[0] == pictures[2]);
  }
}

TEST(PicturesDump, StacksWhatDiffersAndComesBackByInjection) {
  const TemporaryFolder folder;
  const Pipeline pipeline(checkpoint_a(), {.dtype = "float32", .device = test_device_name(), .threads = 1});
  Request request = small_request({3, 4});
  request.dump = folder / "dump.safetensors";
  const Result first = pipeline.generate(request, {});
  const SafetensorsFile dump(request.dump);
  EXPECT_EQ(dump.tensors().at("ar.generated").shape[0], 2);
  EXPECT_EQ(dump.tensors().at("image").shape, (std::vector<int64_t>{2, 160, 128, 3}));
  EXPECT_EQ(dump.tensors().at("ar.in.input_ids").shape[0], 1);
  EXPECT_EQ(dump.tensors().at("sched.sigmas").shape, std::vector<int64_t>{3});

  for (const char* name : {"ar.generated", "latents.init", "step0.latents", "latents.final_scaled"}) {
    write_safetensors(folder / "one.safetensors", {{name, dump.tensor(name)}}, {});
    Request again = small_request({3, 4});
    again.inject = folder / "one.safetensors";
    const Result second = pipeline.generate(again, {});
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(first.pictures[i].image.rgb == second.pictures[i].image.rgb) << name;
  }
}

class AnySize : public testing::TestWithParam<std::pair<int64_t, int64_t>> {};

// The left upper part of the picture at the next multiples of 32.
TEST_P(AnySize, IsTheRenderedPictureCropped) {
  const auto [width, height] = GetParam();
  const Pipeline pipeline(checkpoint_a(), {.dtype = "float32", .device = test_device_name(), .threads = 1});
  Request request = small_request({5});
  request.steps = 1;
  request.width = width;
  request.height = height;
  const Result cropped = pipeline.generate(request, {});
  request.width = (width + 31) / 32 * 32;
  request.height = (height + 31) / 32 * 32;
  EXPECT_EQ(cropped.rendered_width, *request.width);
  EXPECT_EQ(cropped.rendered_height, *request.height);
  const Result whole = pipeline.generate(request, {});
  const auto tensor = [](const Image& i) { return at::tensor(i.rgb, at::kByte).view({i.height, i.width, 3}); };
  ASSERT_EQ(cropped.pictures[0].image.width, width);
  ASSERT_EQ(cropped.pictures[0].image.height, height);
  EXPECT_TRUE(at::equal(tensor(cropped.pictures[0].image),
                        tensor(whole.pictures[0].image).slice(0, 0, height).slice(1, 0, width)));
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, AnySize, testing::Values(std::pair{128, 128}, std::pair{129, 160}, std::pair{159, 128}, std::pair{200, 131}),
    [](const auto& size) { return std::to_string(size.param.first) + "x" + std::to_string(size.param.second); });

TEST(PictureRequest, NamesWhatCannotBeMet) {
  const Pipeline pipeline(checkpoint_a(), {.dtype = "float32", .device = test_device_name(), .threads = 1});
  const auto refusal = [&](const std::function<void(Request&)>& change, std::vector<std::string> said) {
    Request request = small_request({1});
    change(request);
    return refused(ErrorCode::usage, std::move(said), [&] { pipeline.generate(request, {}); });
  };
  EXPECT_TRUE(refusal([](Request& r) { r.width = 127; }, {"size", "128 to 2048", "127x160"}));
  EXPECT_TRUE(refusal([](Request& r) { r.height = 2049; }, {"size", "128 to 2048", "128x2049"}));
  EXPECT_TRUE(refusal([](Request& r) { r.width = INT64_MIN; }, {"size", "128 to 2048"}));
  EXPECT_TRUE(refusal([](Request& r) { r.steps = 0; }, {"steps", "1 to 1000", "found 0"}));
  EXPECT_TRUE(refusal([](Request& r) { r.guidance = std::nan(""); }, {"guidance", "0 to 1000", "nan"}));
  EXPECT_TRUE(refusal([](Request& r) { r.rng = static_cast<Rng>(77); }, {"rng", "cuda or cpu", "77"}));
  EXPECT_TRUE(refusal([](Request& r) { r.prompt = "a \xff"; }, {"prompt", "UTF-8"}));
  EXPECT_TRUE(refusal([](Request& r) { r.texts = {"A", "\xed\xa0\x80"}; }, {"texts", "UTF-8"}));
  EXPECT_TRUE(refusal([](Request& r) { r.seeds.clear(); }, {"seeds", "1 to 1024", "found 0"}));
}

// A copy of checkpoint a with one tensor of one component changed.
fs::path damaged(const TemporaryFolder& folder, const std::string& component, const std::string& name,
                 const std::function<void(at::Tensor&)>& change) {
  const fs::path copy = folder / "checkpoint";
  fs::copy(checkpoint_a(), copy, fs::copy_options::recursive);
  const char* file = component == "transformer" || component == "vae" ? "diffusion_pytorch_model" : "model";
  rewrite_tensors(copy / component / (std::string(file) + ".safetensors"),
                  [&](auto& tensors) { change(tensors.at(name)); });
  return copy;
}

struct Damage {
  const char* component;
  const char* tensor;
  const char* said;  // the stage
};

void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.component << " " << damage.tensor;
}

class NotFinite : public testing::TestWithParam<Damage> {};

TEST_P(NotFinite, EndsTheRunWithTheStagesName) {
  const TemporaryFolder folder;
  const auto [component, tensor, said] = GetParam();
  const fs::path checkpoint = damaged(folder, component, tensor, [](at::Tensor& t) { t.flatten()[0] = std::nan(""); });
  const Pipeline pipeline(checkpoint, {.dtype = "float32", .device = test_device_name(), .threads = 1});
  EXPECT_TRUE(refused(ErrorCode::model, {said, "not finite"}, [&] { pipeline.generate(small_request({1}), {}); }));
}

INSTANTIATE_TEST_SUITE_P(Stages, NotFinite,
                         testing::Values(Damage{"vision_language_encoder", "model.language_model.norm.weight",
                                                "logits"},
                                         Damage{"text_encoder", "encoder.final_layer_norm.weight", "latents"},
                                         Damage{"transformer", "proj_out.bias", "latents"},
                                         Damage{"vae", "decoder.conv_out.bias", "pixels"}),
                         [](const auto& damage) { return std::string(damage.param.component); });

TEST(CollapsedGrid, IsWarnedOf) {
  const TemporaryFolder folder;
  // A head that always writes the same token: 20 of 20 cells, of 64 and more.
  const fs::path checkpoint = damaged(folder, "vision_language_encoder", "lm_head.weight", [](at::Tensor& t) {
    t.slice(0, 1).zero_();
    t.slice(0, 0, 1).fill_(0).select(1, 0).fill_(100);
  });
  const Pipeline pipeline(checkpoint, {.dtype = "float32", .device = test_device_name(), .threads = 1});
  Request request = small_request({1});
  request.greedy = true;
  request.width = request.height = 256;
  const Result result = pipeline.generate(request, {});
  ASSERT_EQ(result.warnings.size(), 1);
  EXPECT_NE(result.warnings[0].find("seed 1 has only 1 different tokens"), std::string::npos) << result.warnings[0];
  const Pipeline whole(checkpoint_a(), {.dtype = "float32", .device = test_device_name(), .threads = 1});
  EXPECT_TRUE(whole.generate(small_request({1}), {}).warnings.empty());
}

}  // namespace
}  // namespace glm
