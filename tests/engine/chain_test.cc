// The whole way through the public interface: nothing injected, every stage tensor dumped and compared.
#include <ATen/ATen.h>

#include "tests/engine/cases.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

class WholePicture : public testing::TestWithParam<std::string> {};

TEST_P(WholePicture, EveryStageIsUpstreams) {
  const Golden& golden = Golden::of(GetParam() + ".safetensors");
  const TemporaryFolder folder;
  Request request = golden.request();
  request.dump = folder / "dump.safetensors";
  const TemporaryFolder checkpoint;
  const Pipeline pipeline(checkpoint_of(golden, checkpoint),
                          {.dtype = "float32", .device = test_device_name(), .threads = 1});
  const Result result = pipeline.generate(request, {});

  const SafetensorsFile dump(request.dump);
  int chained = 0;
  for (const std::string& name : golden.names()) {
    if (name.ends_with(".timestep") || name == "image" || !dump.tensors().contains(name)) continue;
    const at::Tensor ours = dump.tensor(name);
    const bool exact =
        !ours.is_floating_point() || name == "latents.init" || name.starts_with("sched.") || name.ends_with(".pixels");
    EXPECT_TRUE(exact ? golden.bytes_equal(name, ours) : golden.matches(name, ours, tolerance::kChained));
    chained += name.ends_with(".latents") ? 1 : 0;
  }
  EXPECT_EQ(chained, *request.steps);

  const at::Tensor image =
      at::tensor(result.pictures[0].image.rgb, at::kByte).view({1, *request.height, *request.width, 3});
  EXPECT_EQ(golden.header()["tensors"]["image"]["shape"], image.sizes().vec());
  const at::Tensor levels = golden.same_elements("image", image).to(at::kInt) - golden.kept("image").to(at::kInt);
  EXPECT_LE(levels.abs().max().item<int>(), tolerance::kPictureLevels);
  EXPECT_TRUE(at::equal(dump.tensor("image"), image));
}

INSTANTIATE_TEST_SUITE_P(Upstream, WholePicture, testing::ValuesIn(picture_cases()), case_name);

}  // namespace
}  // namespace glm
