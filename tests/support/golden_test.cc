#include "tests/support/golden.h"

#include <ATen/ATen.h>

#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

constexpr const char* kFile = "a/words_one.safetensors";

TEST(GoldenReader, KnowsItsCaseAndVersions) {
  const Golden golden(kFile);
  EXPECT_EQ(golden.parameters().at("width"), 128);
  EXPECT_EQ(golden.header().at("versions").at("diffusers"), "0.39.0");
  EXPECT_TRUE(std::filesystem::exists(golden.checkpoint() / "model_index.json"));
}

TEST(GoldenReader, RefusesAFileThatUpstreamDidNotMake) {
  const TemporaryFolder folder;
  write_safetensors(folder / "own.safetensors", {{"x", at::zeros({1})}}, {{"json", "{\"case\": {}}"}});
  EXPECT_THROW(Golden((folder / "own.safetensors").string()), std::runtime_error);
}

TEST(GoldenReader, ComparesThinnedTensorsByTheElementsThatWereKept) {
  const Golden golden(kFile);
  ASSERT_FALSE(golden.whole("latents.init"));
  at::Tensor ours = at::zeros({1, 16, 16, 16});
  EXPECT_FALSE(golden.matches("latents.init", ours, tolerance::kStage));
  ours.flatten().slice(0, 0, std::nullopt, 5).copy_(golden.kept("latents.init"));
  EXPECT_TRUE(golden.matches("latents.init", ours, tolerance::kExact));
  EXPECT_FALSE(golden.bytes_equal("latents.init", ours)) << "the elements between are zeros here";
  EXPECT_FALSE(golden.matches("latents.init", ours.flatten(), tolerance::kExact)) << "another shape";
}

TEST(GoldenReader, AWholeTensorIsBytesEqualToItself) {
  const Golden golden(kFile);
  EXPECT_TRUE(golden.bytes_equal("ar.generated", golden.tensor("ar.generated")));
  EXPECT_FALSE(golden.bytes_equal("ar.generated", golden.tensor("ar.generated") + 1));
  EXPECT_FALSE(golden.matches("no.such", at::zeros({1}), tolerance::kStage));
}

}  // namespace
}  // namespace glm
