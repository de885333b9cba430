// `glm-image devices`, `glm-image kernels` and `--device`.
#include "glm/devices.h"

#include <gtest/gtest.h>

#include "tests/cli/program.h"

namespace glm {
namespace {

TEST(Devices, AreListedWithTheOneThatAutoTakes) {
  const Outcome outcome = run_program({"devices"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* text : {"DEVICE", "\ncpu  ", " GiB", " cores", "\n--device auto takes "}) {
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << "\n" << outcome.out;
  }
  for (const DeviceInfo& device : devices()) {
    EXPECT_NE(outcome.out.find("\n" + device.name + " "), std::string::npos) << outcome.out;
    EXPECT_EQ(outcome.out.find("auto takes " + device.name) != std::string::npos, device.automatic) << outcome.out;
  }
}

TEST(Device, AGpuThatIsNotThereHasAStatusOfItsOwn) {
  const TemporaryFolder folder;
  const Outcome outcome = run_program(small_picture(folder / "a.png", {"--device", "cuda:77"}));
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.rfind("glm-image: device cuda:77: expected ", 0), 0U) << outcome.err;
  EXPECT_NE(outcome.err.find(devices().size() > 1 ? "glm-image devices lists them" : "third_party/install.sh"),
            std::string::npos)
      << outcome.err;
  EXPECT_TRUE(names_in(folder.path()).empty());
}

TEST(Device, CpuIsAlwaysThere) {
  const TemporaryFolder folder;
  const Outcome outcome = run_program(small_picture(folder / "a.png", {"--device", "cpu"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.png"});
}

TEST(Kernels, NeedAGpu) {
  for (const char* name : {"cpu", "cuda:77"}) {
    const Outcome outcome = run_program({"kernels", "--device", name});
    EXPECT_EQ(outcome.status, 5);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.rfind("glm-image: ", 0), 0U) << outcome.err;
    EXPECT_NE(outcome.err.find(": expected "), std::string::npos) << outcome.err;
  }
  if (devices().size() > 1) GTEST_SKIP() << "this machine has a GPU";
  for (const Arguments& more : {Arguments{}, Arguments{"--check"}, Arguments{"--device", "auto"}}) {
    Arguments all = {"kernels"};
    all.insert(all.end(), more.begin(), more.end());
    const Outcome outcome = run_program(all);
    EXPECT_EQ(outcome.status, 5);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err.rfind("glm-image: our CUDA kernels: expected an NVIDIA GPU with its driver, found none", 0),
              0U)
        << outcome.err;
    EXPECT_NE(outcome.err.find("third_party/install.sh"), std::string::npos) << outcome.err;
  }
}

TEST(RandomModel, DrawsAPictureWithoutACheckpointsWeights) {
  const TemporaryFolder folder;
  const Outcome outcome = run_program(
      small_picture(folder / "a.png", {"-m", "random:" + nano().string(), "--device", "cpu", "--cfg-scale", "1.5"}));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.png"});
}

}  // namespace
}  // namespace glm
