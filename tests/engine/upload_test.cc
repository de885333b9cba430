// Files' tensors to the device.
#include "engine/upload.h"

#include <ATen/ATen.h>

#include <chrono>

#include "engine/device.h"
#include "tests/engine/cases.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

TEST(Upload, GivesTheSameBytesInAnyNumberOfBuffers) {
  Uploader uploader(test_device(), /*buffer_bytes=*/1000);
  int64_t bytes = 0;
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kLong, at::kByte}) {
    for (const int64_t count : {1, 7, 250, 500, 1000, 12345}) {
      const at::Tensor values = at::randint(0, 200, {count}, dtype);
      const at::Tensor there = uploader.upload(values);
      EXPECT_EQ(there.device(), uploader.device());
      EXPECT_TRUE(at::equal(there.cpu(), values)) << dtype << " " << count;
      bytes += static_cast<int64_t>(values.nbytes());
    }
  }
  EXPECT_EQ(uploader.upload(at::empty({0, 3})).sizes(), (std::vector<int64_t>{0, 3}));
  const at::Tensor turned = at::arange(6000, at::kFloat).view({60, 100}).t();
  EXPECT_TRUE(at::equal(uploader.upload(turned).cpu(), turned));
  EXPECT_TRUE(at::equal(uploader.upload(at::full({}, 3.0)).cpu(), at::full({}, 3.0)));
  uploader.finish();
  EXPECT_EQ(uploader.bytes(), bytes + 4 * 6000 + 4);
  EXPECT_GT(uploader.seconds(), 0);
}

// Only on a GPU: GB/s out of a file in the page cache, and of a plain copy from pinned memory.
TEST(Upload, IsNearlyAsFastAsAPlainCopyFromPinnedMemory) {
  const at::Device device = test_device();
  if (device.is_cpu()) GTEST_SKIP() << "GLM_TEST_DEVICE is the CPU";
  const TemporaryFolder folder;
  const int64_t bytes = int64_t{2} << 30;
  write_safetensors(folder / "file", {{"x", at::ones({bytes / 4})}}, {});

  const at::Tensor pinned = at::zeros({bytes / 8}, at::TensorOptions(at::kByte).pinned_memory(true));
  at::Tensor target = at::zeros({bytes / 8}, at::TensorOptions(at::kByte).device(device));
  synchronize(device);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 8; ++i) target.copy_(pinned, /*non_blocking=*/true);
  synchronize(device);
  const double plain = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  { SafetensorsFile(folder / "file").tensor("x").sum(); }  // into the page cache
  const SafetensorsFile file(folder / "file");             // mapped anew, as a checkpoint is
  Uploader uploader(device);
  const at::Tensor there = uploader.upload(file.tensor("x"));
  uploader.finish();
  EXPECT_EQ(there.sum(at::kDouble).item<double>(), static_cast<double>(bytes / 4));
  const auto rate = [&](double seconds) { return static_cast<double>(bytes) / seconds / 1e9; };
  std::printf("upload %.1f GB/s, plain pinned copy %.1f GB/s\n", rate(uploader.seconds()), rate(plain));
  EXPECT_GE(rate(uploader.seconds()), rate(plain) / 2) << "0.8 of it is the aim; half leaves room for a busy machine";
}

}  // namespace
}  // namespace glm
