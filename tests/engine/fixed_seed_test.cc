// A seed gives the same picture tomorrow: nano at its own settings, 4 prompts x 2 seeds, tokens and pictures held.
#include <ATen/ATen.h>

#include "tests/engine/cases.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

class FixedSeed : public testing::TestWithParam<std::string> {};

TEST_P(FixedSeed, TokensAndPictureAreHeld) {
  const Golden golden(GetParam() + ".safetensors");
  const TemporaryFolder folder;
  Request request = golden.request();
  const Pipeline pipeline(golden.checkpoint(), {.dtype = "float32", .threads = 1});
  EXPECT_EQ(*request.width, pipeline.defaults().width);
  EXPECT_EQ(*request.height, pipeline.defaults().height);
  EXPECT_EQ(*request.steps, pipeline.defaults().steps);
  EXPECT_EQ(*request.guidance, pipeline.defaults().guidance);
  request.dump = folder / "dump.safetensors";
  pipeline.generate(request, {});

  const SafetensorsFile dump(request.dump);
  EXPECT_TRUE(golden.bytes_equal("ar.generated", dump.tensor("ar.generated")));
  const at::Tensor levels = dump.tensor("image").to(at::kInt) - golden.tensor("image").to(at::kInt);
  EXPECT_LE(levels.abs().max().item<int>(), tolerance::kPictureLevels);
}

INSTANTIATE_TEST_SUITE_P(Upstream, FixedSeed,
                         testing::Values("nano/fixed_0_100", "nano/fixed_0_101", "nano/fixed_1_100", "nano/fixed_1_101",
                                         "nano/fixed_2_100", "nano/fixed_2_101", "nano/fixed_3_100",
                                         "nano/fixed_3_101"),
                         case_name);

}  // namespace
}  // namespace glm
