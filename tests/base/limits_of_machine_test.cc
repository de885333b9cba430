// What the system lets this process have: cores and memory, by control groups of both versions, with and without /proc.
// Each in a child that has a folder for its root, where the system's files are as they are elsewhere.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "base/cpu_count.h"
#include "base/free_memory.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

constexpr int kNoRoot = 77;  // exit status: not allowed to change the root

// Runs `call` with these files below its root, and returns what it returns: at most 255.
int in_root_of(const Files& files, const std::function<int()>& call) {
  const TemporaryFolder root;
  for (const auto& [name, content] : files) {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name) << content;
  }
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::chroot(root.path().c_str()) == 0 && ::chdir("/") == 0 ? call() : kNoRoot);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

int cores_with(const Files& files) {
  return in_root_of(files, cpu_count);
}
int megabytes_with(const Files& files) {
  return in_root_of(files, [] { return static_cast<int>(std::clamp<int64_t>(free_memory() >> 20, -1, 250)) + 1; }) - 1;
}

const Files kVersion1 = {{"proc/self/mountinfo",
                          "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
                          "31 25 0:27 /box /mem rw,nosuid - cgroup cgroup rw,memory\n"},
                         {"proc/self/cgroup", "4:memory:/box/inner\n3:cpuacct,cpu:/a/b\n1:name=systemd:/c\n"},
                         {"proc/meminfo", "MemAvailable: 200000 kB\n"}};

Files with(Files files, const Files& more) {
  for (const auto& [name, content] : more) files[name] = content;
  return files;
}

const std::string kCpu = "sys/fs/cgroup/cpu,cpuacct/";

TEST(LimitsOfAContainer, CoresOfVersion1AndParts) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can change its root";
  if (::sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "one core";
  EXPECT_EQ(cores_with(kVersion1), cores_with({}));
  const auto quota = [&](const std::string& folder, const char* time) {
    return cores_with(with(
        kVersion1, {{kCpu + folder + "cpu.cfs_quota_us", time}, {kCpu + folder + "cpu.cfs_period_us", "100000\n"}}));
  };
  EXPECT_EQ(quota("", "100000\n"), 1) << "of the root";
  EXPECT_EQ(quota("a/", "100000\n"), 1) << "of the group above";
  EXPECT_EQ(quota("a/b/", "150000\n"), 1) << "one and a half";
  EXPECT_EQ(quota("a/b/", "200000\n"), std::min(2, cores_with({})));
  EXPECT_EQ(quota("a/b/", "20000\n"), 1) << "never none";
  EXPECT_EQ(quota("a/b/", "-1\n"), cores_with({})) << "no limit";
  const auto version2 = [](const char* limit) {
    return cores_with({{"proc/self/cgroup", "0::/x\n"}, {"sys/fs/cgroup/x/cpu.max", limit}});
  };
  EXPECT_EQ(version2("150000 100000\n"), 1);
  EXPECT_EQ(version2("max 100000\n"), cores_with({}));
  EXPECT_EQ(cores_with({{"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n"},
                        {"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}),
            1)
      << "without /proc";
}

TEST(LimitsOfAContainer, MemoryOfVersion1) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can change its root";
  EXPECT_NEAR(megabytes_with(kVersion1), 195, 5);
  const auto limits = [&](const std::string& folder) {
    return with(kVersion1, {{folder + "memory.limit_in_bytes", "104857600\n"},
                            {folder + "memory.usage_in_bytes", "83886080\n"},
                            {folder + "memory.stat", "cache 1\ninactive_file 0\ntotal_inactive_file 20971520\n"}});
  };
  EXPECT_NEAR(megabytes_with(limits("mem/")), 40, 4) << "of the group that the mount shows";
  EXPECT_NEAR(megabytes_with(limits("mem/inner/")), 40, 4) << "of its own group";
  EXPECT_NEAR(megabytes_with(with(kVersion1, {{"mem/memory.limit_in_bytes", "9223372036854771712\n"},
                                              {"mem/memory.usage_in_bytes", "83886080\n"}})),
              195, 5)
      << "no limit";
  EXPECT_NEAR(megabytes_with({{"proc/self/cgroup", "0::/x\n"},
                              {"proc/meminfo", "MemAvailable: 200000 kB\n"},
                              {"sys/fs/cgroup/x/memory.high", "104857600\n"},
                              {"sys/fs/cgroup/x/memory.max", "max\n"},
                              {"sys/fs/cgroup/x/memory.current", "52428800\n"}}),
              50, 4)
      << "version 2, where it begins to be slowed down";
}

TEST(LimitsOfAContainer, MemoryIsUnknownWithoutProc) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can change its root";
  for (const char* meminfo : {"", "MemTotal: 1000 kB\n", "MemAvailable: 99999999999999999999999 kB\n"}) {
    const Files files = {{"proc/meminfo", meminfo},
                         {"proc/self/statm", "100 100 100 1 0 100 0\n"},
                         {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
                         {"sys/fs/cgroup/memory/memory.usage_in_bytes", "52428800\n"}};
    EXPECT_EQ(in_root_of(files, [] { return free_memory() == -1 ? 1 : 2; }), 1) << meminfo;
  }
  EXPECT_EQ(in_root_of({}, [] { return free_memory() == -1 ? 1 : 2; }), 1);
  EXPECT_NEAR(megabytes_with({{"sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n"},
                              {"sys/fs/cgroup/memory/memory.usage_in_bytes", "52428800\n"}}),
              50, 4)
      << "but for a limit";
}

}  // namespace
}  // namespace glm
