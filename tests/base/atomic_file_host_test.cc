// Writing files in odd states of a process and of file systems.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <thread>

#include "base/atomic_file.h"
#include "tests/base/child.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

Write text_of(const std::string& text) {
  return [text](std::ostream& out) { out << text; };
}

void plant(const fs::path& file, const std::string& text) {
  std::ofstream(file) << text;
}

bool has(const std::exception& e, const std::string& text) {
  return std::string(e.what()).find(text) != std::string::npos;
}

class HostsFile : public testing::Test {
 protected:
  size_t count() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }
  mode_t mode_of(const fs::path& file) const {
    struct stat status {};
    return ::stat(file.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  }
  // Writes a new file while another process makes one of the same name.
  bool loses() const {
    fs::remove(file_);
    const bool written = write_new_file(file_, [&](std::ostream& out) {
      out << "ours" << std::flush;
      plant(file_, "theirs");
    });
    return !written && read_bytes(file_) == "theirs" && count() == 1;
  }
  bool wins() const {
    fs::remove(file_);
    return write_new_file(file_, text_of("ours")) && read_bytes(file_) == "ours" && count() == 1;
  }
  const TemporaryFolder folder_;
  const fs::path file_ = folder_ / "file";
};

// From now on these system calls fail with this error, as on file systems that don't know them.
bool forbid(const std::vector<int>& calls, int error) {
  std::vector<sock_filter> filter = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const int call : calls) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()), .filter = filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(HostsFile, OneOfTwoWinsOnEveryFileSystem) {
  EXPECT_TRUE(loses());
  EXPECT_TRUE(wins());
  const std::vector<std::vector<int>> unknown = {{SYS_renameat2}, {SYS_renameat2, SYS_link, SYS_linkat}};
  for (const std::vector<int>& calls : unknown) {
    for (const int error : {EINVAL, EPERM, ENOSYS}) {
      const int status = in_child([&] {
        if (!forbid(calls, error)) ::_exit(kSkipped);
        return loses() && wins();
      });
      if (status == kSkipped) GTEST_SKIP() << "no system calls can be forbidden here";
      EXPECT_EQ(status, 0) << error;
    }
  }
}

TEST_F(HostsFile, ADanglingLinkThatAppearsMeanwhileIsNotReplaced) {
  const bool written = write_new_file(file_, [&](std::ostream&) { fs::create_symlink("nowhere", file_); });
  EXPECT_FALSE(written);
  EXPECT_TRUE(fs::is_symlink(file_));
}

TEST_F(HostsFile, ThatIsReplacedKeepsItsPermissions) {
  for (const mode_t mode : {0600U, 0640U, 0400U, 0666U, 0755U}) {
    plant(file_, "old");
    ASSERT_EQ(::chmod(file_.c_str(), mode), 0);
    check_place(file_);
    write_file(file_, text_of("new"));
    EXPECT_EQ(read_bytes(file_), "new");
    EXPECT_EQ(mode_of(file_), mode);
    fs::remove(file_);
  }
  const mode_t umask = ::umask(027);
  write_file(file_, text_of("new"));
  ::umask(umask);
  EXPECT_EQ(mode_of(file_), 0640) << "a new one has the process's own";
}

TEST_F(HostsFile, ThatIsReplacedKeepsItsOwnerAndAttributes) {
  plant(file_, "old");
  if (::setxattr(file_.c_str(), "user.comment", "mine", 4, 0) != 0) GTEST_SKIP() << "no extended attributes here";
  const bool root = ::chown(file_.c_str(), 12345, 54321) == 0;
  // Whoever has the number 1234 may read and write what is made in this folder from now on.
  const std::array<uint32_t, 11> list = {2,           0x0006'0001, 0xFFFF'FFFF, 0x0006'0002, 1234,       0x0004'0004,
                                         0xFFFF'FFFF, 0x0006'0010, 0xFFFF'FFFF, 0x0000'0020, 0xFFFF'FFFF};
  const int listed = ::setxattr(folder_.path().c_str(), "system.posix_acl_default", list.data(), sizeof list, 0);
  ASSERT_EQ(::chmod(file_.c_str(), 0640), 0);
  write_file(file_, text_of("new"));
  EXPECT_EQ(read_bytes(file_), "new");
  char value[8] = {};
  EXPECT_EQ(::getxattr(file_.c_str(), "user.comment", value, sizeof value), 4);
  EXPECT_EQ(std::string(value, 4), "mine");
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  if (root) {
    EXPECT_EQ(std::make_pair(status.st_uid, status.st_gid), std::make_pair(12345U, 54321U));
  }
  if (listed != 0) GTEST_SKIP() << "no access lists here";
  char entries[256];
  EXPECT_LT(::getxattr(file_.c_str(), "system.posix_acl_access", entries, sizeof entries), 0)
      << "others may read it now";
}

// A host that has the signals' default handlers, or its own.
TEST_F(HostsFile, BeyondTheLimitOfSizeIsAFailedWrite) {
  plant(file_, "old");
  const auto check = [&] {
    const rlimit limit{4096, 4096};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    for (const fs::path& file : {file_, folder_ / "new"}) {
      try {
        write_file(file, text_of(std::string(1 << 20, 'x')));
        return false;
      } catch (const Error& e) {
        if (!has(e, "File too large") || e.code() != ErrorCode::io) return false;
      }
    }
    return true;
  };
  EXPECT_EQ(in_child(check), 0);
  EXPECT_EQ(in_child([&] {
              static bool called;
              std::signal(SIGXFSZ, [](int) { called = true; });
              return check() && !called;
            }),
            0);
  EXPECT_EQ(in_child([&] {
              bool good = false;
              std::thread([&] { good = check(); }).join();
              return good;
            }),
            0);
  EXPECT_EQ(read_bytes(file_), "old");
  EXPECT_EQ(count(), 1U) << "nothing half written stays";
}

TEST_F(HostsFile, APipeWhoseReaderLeavesIsAFailedWrite) {
  const int status = in_child([&] {
    if (::mkfifo(file_.c_str(), 0600) != 0) return false;
    std::thread reader([&] { ::close(::open(file_.c_str(), O_RDONLY | O_CLOEXEC)); });
    try {
      write_file(file_, text_of(std::string(1 << 20, 'x')));
    } catch (const Error& e) {
      reader.join();
      return has(e, "Broken pipe");
    }
    return false;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(HostsFile, AHostsOwnPendingSignalStaysPending) {
  const int status = in_child([&] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::raise(SIGPIPE);
    write_file(file_, text_of("x"));
    ::sigpending(&set);
    return sigismember(&set, SIGPIPE) == 1;
  });
  EXPECT_EQ(status, 0);
}

// Gives up root's rights, which are above permissions.
bool as_anybody(const fs::path& folder) {
  if (::geteuid() != 0) return true;
  constexpr uid_t nobody = 65534;
  return ::chown(folder.c_str(), nobody, nobody) == 0 && ::setgid(nobody) == 0 && ::setuid(nobody) == 0;
}

TEST_F(HostsFile, InAClosedFolderIsWrittenItself) {
  const int status = in_child([&] {
    if (!as_anybody(folder_.path())) ::_exit(kSkipped);
    plant(file_, "something old");
    ::chmod(file_.c_str(), 0620);
    fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec);
    check_place(file_);
    write_file(file_, text_of("new"));
    const bool good = read_bytes(file_) == "new" && mode_of(file_) == 0620;
    bool refused_new = false;
    try {
      check_place(folder_ / "another");
    } catch (const Error& e) {
      refused_new = has(e, "Permission denied");
    }
    fs::permissions(folder_.path(), fs::perms::owner_all);
    return good && refused_new;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(HostsFile, OfAnotherUserKeepsItsOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make another user's file";
  plant(file_, "old");
  plant(folder_ / "closed", "old");
  ASSERT_EQ(::chmod(file_.c_str(), 0666), 0);
  const int status = in_child([&] {
    if (!as_anybody(folder_.path())) return false;
    check_place(file_);
    write_file(file_, text_of("new"));
    try {
      check_place(folder_ / "closed");
    } catch (const Error& e) {
      return has(e, "Permission denied");
    }
    return false;
  });
  EXPECT_EQ(status, 0);
  struct stat found {};
  ASSERT_EQ(::stat(file_.c_str(), &found), 0);
  EXPECT_EQ(found.st_uid, 0U);
  EXPECT_EQ(read_bytes(file_), "new");
}

TEST_F(HostsFile, ThatIsAMountIsWrittenItself) {
  plant(file_, "something old");
  plant(folder_ / "outside", "something old");
  const int status = in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(kSkipped);
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(kSkipped);
    if (::mount((folder_ / "outside").c_str(), file_.c_str(), nullptr, MS_BIND, nullptr) != 0) ::_exit(kSkipped);
    check_place(file_);
    write_file(file_, text_of("new"));
    return read_bytes(file_) == "new" && count() == 2;
  });
  if (status == kSkipped) GTEST_SKIP() << "nothing can be mounted here";
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_bytes(folder_ / "outside"), "new");
  EXPECT_EQ(read_bytes(file_), "something old") << "behind the mount";
}

TEST_F(HostsFile, OnAFullDiskKeepsItsOldContents) {
  const int status = in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(kSkipped);
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(kSkipped);
    if (::mount("none", folder_.path().c_str(), "tmpfs", 0, "size=64k") != 0) ::_exit(kSkipped);
    plant(file_, "old");
    if (read_bytes(file_) != "old") ::_exit(kSkipped);  // a user without a number may not
    try {
      write_file(file_, text_of(std::string(1 << 20, 'x')));
    } catch (const Error& e) {
      return has(e, "No space left") && read_bytes(file_) == "old" && count() == 1;
    }
    return false;
  });
  if (status == kSkipped) GTEST_SKIP() << "nothing can be mounted here";
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace glm
