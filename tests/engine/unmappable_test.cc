// A file system that can't map files: its checkpoint is read.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "engine/checkpoint/safetensors.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

// From now on the kernel answers this process's wish to map a file for reading with `error`.
bool map_no_file(int error) {
  const auto at = [](size_t argument) {
    return static_cast<unsigned>(offsetof(seccomp_data, args) + argument * sizeof(uint64_t));
  };
  std::array<sock_filter, 9> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(2)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_READ, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at(3)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAP_PRIVATE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{program.size(), program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST(UnmappableFile, IsRead) {
  const TemporaryFolder folder;
  write_safetensors(folder / "file", {{"a", at::arange(1000)}}, {});
  for (const int error : {ENODEV, EACCES, EPERM, ENOMEM}) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (!map_no_file(error)) ::_exit(77);
      const SafetensorsFile file(folder / "file", FileAccess::map);
      file.check_mapped();
      ::_exit(at::equal(file.tensor("a"), at::arange(1000)) ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "this kernel filters no calls";
    EXPECT_EQ(WEXITSTATUS(status), 0) << error;
  }
}

}  // namespace
}  // namespace glm
