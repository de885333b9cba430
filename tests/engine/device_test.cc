// Where tensors live: names, refusals, and memory that runs out.
#include "engine/device/device.h"

#include <ATen/ATen.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "glm/devices.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

TEST(OpenDevice, RefusesOtherNames) {
  for (const char* name : {"", "gpu", "CPU", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda:99999999999", "cuda0"}) {
    EXPECT_TRUE(refused(ErrorCode::usage, {"device: expected auto, cpu, cuda or cuda:N", name}, [&] {
      open_device(name);
    })) << name;
  }
}

TEST(OpenDevice, SaysWhatAGpuNeeds) {
  if (cuda_devices().empty()) {
    for (const char* name : {"cuda", "cuda:0", "cuda:1"}) {
      EXPECT_TRUE(refused(ErrorCode::device, {name, "expected an NVIDIA GPU", "third_party/install.sh", "--device cpu"},
                          [&] { open_device(name); }));
    }
  } else {
    EXPECT_TRUE(refused(ErrorCode::device, {"cuda:999", "expected cuda:0 to"}, [] { open_device("cuda:999"); }));
  }
}

TEST(OpenDevice, AutoIsWhatDevicesSays) {
  const std::vector<DeviceInfo> all = devices();
  ASSERT_EQ(all.size(), 1 + cuda_devices().size());
  EXPECT_EQ(all[0].name, "cpu");
  EXPECT_GT(all[0].memory, 0);
  EXPECT_GT(all[0].cores, 0);
  EXPECT_TRUE(all[0].problem.empty());
  std::vector<std::string> automatic;
  for (const DeviceInfo& device : all) {
    if (device.automatic) automatic.push_back(device.name);
  }
  EXPECT_EQ(automatic, std::vector<std::string>{open_device("auto").str()});
}

// Only on a GPU: what is left of its memory doesn't hold a picture; with the memory back, the next call draws.
TEST(GpuMemory, RunsOutWithAnErrorAndTheNextCallDraws) {
  const at::Device device = test_device();
  if (device.is_cpu()) GTEST_SKIP() << "GLM_TEST_DEVICE is the CPU";
  const TemporaryFolder folder;
  const std::filesystem::path checkpoint = checkpoint_a();
  const Pipeline pipeline(checkpoint, {.dtype = "float32", .device = test_device_name(), .threads = 1});
  const VaeConfig vae = ModelConfig(checkpoint).vae;
  write_safetensors(folder / "latents",
                    {{"latents.final_scaled", at::zeros({1, vae.latent_channels, 2048 / vae.pixels_per_latent(),
                                                         2048 / vae.pixels_per_latent()})}},
                    {});
  Request request;
  request.width = request.height = 2048;
  request.inject = folder / "latents";
  release_cached_memory(device);
  const auto free = static_cast<int64_t>(c10::getDeviceAllocator(device.type())->getMemoryInfo(device.index()).first);
  at::Tensor all = at::empty({free - (int64_t{64} << 20)}, at::TensorOptions(at::kByte).device(device));
  EXPECT_TRUE(
      refused(ErrorCode::memory,
              {"out of memory of the GPU (", "a smaller size", "fewer pictures", "--dtype bfloat16", "--device cpu"},
              [&] { pipeline.generate(request, {}); }));
  all.reset();
  release_cached_memory(device);
  EXPECT_EQ(pipeline.generate(request, {}).pictures.size(), 1);
}

}  // namespace
}  // namespace glm
