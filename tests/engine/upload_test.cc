// Files' tensors to the device.
#include "engine/device/upload.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "engine/device/device.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

TEST(Upload, GivesTheSameBytesInAnyNumberOfBuffers) {
  for (const int threads : {0, 1, 2, 5}) {
    Uploader uploader(test_device(), /*buffer_bytes=*/1000, threads);
    int64_t bytes = 0;
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kLong, at::kByte}) {
      for (const int64_t count : {1, 7, 250, 500, 1000, 12345}) {
        const at::Tensor values = at::randint(0, 200, {count}, dtype);
        const at::Tensor there = uploader.upload(values);
        EXPECT_EQ(there.device(), uploader.device());
        EXPECT_TRUE(at::equal(there.cpu(), values)) << dtype << " " << count << " in " << threads;
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
}

// What reading a part throws comes out of the upload, and the next one works.
TEST(Upload, WhatReadingThrowsComesOut) {
  Uploader uploader(test_device(), /*buffer_bytes=*/1000, /*threads=*/3);
  for (const int64_t bad : {0, 7000, 99'000}) {
    const auto read = [&](int64_t offset, char* to, int64_t size) {
      if (offset <= bad && bad < offset + size) throw Error(ErrorCode::model, "the file ends here");
      std::memset(to, 1, static_cast<size_t>(size));
    };
    EXPECT_TRUE(
        refused(ErrorCode::model, {"the file ends here"}, [&] { uploader.upload({100'000}, at::kByte, read); }));
    const at::Tensor values = at::randint(0, 200, {5000}, at::kByte);
    EXPECT_TRUE(at::equal(uploader.upload(values).cpu(), values));
  }
}

// Many tensors on their way at once, of sizes about the pieces'.
TEST(Upload, ManyInARowKeepTheirBytes) {
  Uploader uploader(test_device(), /*buffer_bytes=*/int64_t{1} << 20, /*threads=*/3);
  std::vector<at::Tensor> here, there;
  for (const int64_t count : {1, 1048575, 1048576, 1048577, 3145728, 9000000, 4096, 2097153}) {
    here.push_back(at::randint(0, 256, {count}, at::kByte));
    there.push_back(uploader.upload(here.back()));
  }
  for (size_t i = 0; i < here.size(); ++i) EXPECT_TRUE(at::equal(there[i].cpu(), here[i])) << i;
}

using Clock = std::chrono::steady_clock;

// Seconds of the fastest of three.
template <typename Call>
double fastest(Call call) {
  double least = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto begin = Clock::now();
    call();
    least = std::min(least, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return least;
}

void copy_by(int threads, const char* from, char* to, int64_t bytes) {
  std::vector<std::thread> all;
  const int64_t share = bytes / threads;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([=] { std::memcpy(to + i * share, from + i * share, static_cast<size_t>(share)); });
  }
  for (std::thread& thread : all) thread.join();
}

// Only on a GPU: GB/s out of a file in the page cache that is mapped anew, as a checkpoint is, of a plain copy from
// pinned memory, and of what the CPU's threads copy out of such a mapping.
TEST(Upload, IsNearlyAsFastAsAPlainCopyFromPinnedMemory) {
  const at::Device device = test_device();
  if (device.is_cpu()) GTEST_SKIP() << "GLM_TEST_DEVICE is the CPU";
  const TemporaryFolder folder;
  const int64_t bytes = int64_t{2} << 30;
  write_safetensors(folder / "file", {{"x", at::ones({bytes / 4})}}, {});
  const auto rate = [&](double seconds) { return static_cast<double>(bytes) / seconds / 1e9; };

  const int64_t part = bytes / 8;
  const at::Tensor pinned = at::zeros({part}, at::TensorOptions(at::kByte).pinned_memory(true));
  at::Tensor target = at::zeros({part}, at::TensorOptions(at::kByte).device(device));
  synchronize(device);
  const double plain = rate(fastest([&] {
    for (int i = 0; i < 8; ++i) target.copy_(pinned, /*non_blocking=*/true);
    synchronize(device);
  }));

  // Into a buffer that stays in the caches no more than the uploader's do.
  double cpu = 0;
  auto* const buffer = static_cast<char*>(pinned.mutable_data_ptr());
  for (const int threads : {1, 4, 8, 16}) {
    double fresh = 0;
    double mapped = 0;
    {
      const SafetensorsFile file(folder / "file", FileAccess::map);
      const at::Tensor x = file.tensor("x");
      const auto* const from = static_cast<const char*>(x.const_data_ptr());
      const auto all = [&] {
        for (int i = 0; i < 8; ++i) copy_by(threads, from + i * part, buffer, part);
      };
      const auto begin = Clock::now();
      all();
      fresh = rate(std::chrono::duration<double>(Clock::now() - begin).count());
      mapped = rate(fastest(all));
    }
    cpu = std::max(cpu, fresh);
    std::printf("%2d threads copy %.1f GB/s from a file mapped anew, %.1f when its pages have been touched\n", threads,
                fresh, mapped);
  }

  Uploader uploader(device);
  double seconds = 1e9;
  for (int i = 0; i < 4; ++i) {  // the first is the warm-up
    const SafetensorsFile file(folder / "file");
    const double before = uploader.seconds();
    const at::Tensor there = uploader.upload({bytes / 4}, at::kFloat, [&](int64_t offset, char* to, int64_t size) {
      file.copy("x", static_cast<uint64_t>(offset), to, static_cast<uint64_t>(size));
    });
    uploader.finish();
    if (i > 0) seconds = std::min(seconds, uploader.seconds() - before);
    std::printf("upload %d: %.1f GB/s\n", i, rate(uploader.seconds() - before));
    EXPECT_EQ(there.sum(at::kDouble).item<double>(), static_cast<double>(bytes / 4));
  }
  std::printf("upload %.1f GB/s, plain pinned copy %.1f GB/s, the CPU's copies %.1f GB/s\n", rate(seconds), plain, cpu);
  EXPECT_GE(rate(seconds), 0.8 * std::min(plain, cpu));
}

}  // namespace
}  // namespace glm
