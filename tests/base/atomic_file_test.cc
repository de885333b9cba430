#include "base/atomic_file.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>

#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace {

// What was asked to reach the disk: names of files and folders, in order.
std::vector<std::string> g_synced;

}  // namespace

extern "C" int fsync(int descriptor) {
  std::error_code ignored;
  g_synced.push_back(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor), ignored).string());
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

namespace glm {
namespace {

namespace fs = std::filesystem;

void write_text(const fs::path& file, const std::string& text) {
  write_file(file, [&](std::ostream& out) { out << text; });
}

class WriteFile : public testing::Test {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator(folder_.path())) all.push_back(entry.path().filename());
    return all;
  }
  const TemporaryFolder folder_;
  const fs::path file_ = folder_ / "file";
};

TEST_F(WriteFile, MakesAndReplaces) {
  write_text(file_, "something long");
  EXPECT_EQ(read_bytes(file_), "something long");
  write_text(file_, "short");
  EXPECT_EQ(read_bytes(file_), "short");
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

TEST_F(WriteFile, IsOldOrNewNeverHalf) {
  write_text(file_, "old");
  write_file(file_, [&](std::ostream& out) {
    out << "ne" << std::flush;
    EXPECT_EQ(read_bytes(file_), "old");
    out << "w";
  });
  EXPECT_EQ(read_bytes(file_), "new");
}

TEST_F(WriteFile, AWriterThatThrowsLeavesNothing) {
  const auto failing = [](std::ostream& out) {
    out << "half" << std::flush;
    throw std::runtime_error("the writer's own");
  };
  EXPECT_THROW(write_file(file_, failing), std::runtime_error);
  EXPECT_TRUE(names().empty());
  write_text(file_, "old");
  EXPECT_THROW(write_file(file_, failing), std::runtime_error);
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
  EXPECT_EQ(read_bytes(file_), "old");
}

TEST_F(WriteFile, AStreamThatFailsLeavesNothing) {
  const auto failing = [](std::ostream& out) { out.setstate(std::ios::failbit); };
  EXPECT_TRUE(refused(ErrorCode::io, {file_.string() + ":"}, [&] { write_file(file_, failing); }));
  EXPECT_TRUE(names().empty());
}

// "Whole or not at all" holds when the power fails, too: the contents reach the disk before the name, then the name.
TEST_F(WriteFile, ReachesTheDiskBeforeItGetsItsName) {
  write_text(file_, "old");
  g_synced.clear();
  write_file(file_, [&](std::ostream& out) {
    out << "new";
    EXPECT_TRUE(g_synced.empty());
  });
  ASSERT_EQ(g_synced.size(), 2U);
  EXPECT_NE(g_synced[0].find(folder_.path().string() + "/"), std::string::npos) << g_synced[0];
  EXPECT_NE(g_synced[0], file_.string()) << "the file had its name already";
  EXPECT_EQ(fs::canonical(g_synced[1]), fs::canonical(folder_.path()));
}

TEST_F(WriteFile, TwoAtOnceDoNotMeet) {
  const auto write = [&](char letter) {
    write_file(file_, [&](std::ostream& out) {
      for (int i = 0; i < 64; ++i) {
        out << std::string(4096, letter) << std::flush;
        std::this_thread::yield();
      }
    });
  };
  for (int turn = 0; turn < 20; ++turn) {
    std::atomic<int> failures = 0;
    std::vector<std::thread> threads;
    for (const char letter : {'a', 'b', 'c'}) {
      threads.emplace_back([&, letter] {
        try {
          write(letter);
        } catch (const Error&) {
          ++failures;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failures, 0);
    const std::string content = read_bytes(file_);
    ASSERT_EQ(content.size(), 64U * 4096);
    ASSERT_EQ(content.find_first_not_of(content[0]), std::string::npos) << "parts of several";
    ASSERT_EQ(names(), std::vector<std::string>{"file"});
  }
}

TEST_F(WriteFile, FollowsALink) {
  write_text(folder_ / "target", "old");
  fs::create_symlink("target", file_);
  write_text(file_, "new");
  EXPECT_TRUE(fs::is_symlink(file_));
  EXPECT_EQ(read_bytes(folder_ / "target"), "new");
  EXPECT_EQ(names().size(), 2U);
}

TEST_F(WriteFile, SaysWhereItCannotWrite) {
  const fs::path missing = folder_ / "no/such/file";
  EXPECT_TRUE(refused(ErrorCode::io, {missing.string() + ":", "No such file"}, [&] { write_text(missing, "x"); }));
  EXPECT_TRUE(refused(ErrorCode::io, {folder_.path().string() + ":", "found a folder"},
                      [&] { write_text(folder_.path(), "x"); }));
  write_text(file_, "old");
  const fs::path below = file_ / "x";
  EXPECT_TRUE(refused(ErrorCode::io, {below.string() + ":"}, [&] { write_text(below, "x"); }));
  EXPECT_EQ(names(), std::vector<std::string>{"file"});
}

TEST_F(WriteFile, FollowsLinksToWhatIsNotThereYet) {
  fs::create_directory(folder_ / "real");
  fs::create_symlink("real/picture", folder_ / "second");
  fs::create_symlink(folder_ / "second", file_);
  write_text(file_, "new");
  EXPECT_TRUE(fs::is_symlink(file_));
  EXPECT_TRUE(fs::is_symlink(folder_ / "second"));
  EXPECT_EQ(read_bytes(folder_ / "real/picture"), "new");
  fs::create_symlink("gone/picture", folder_ / "dangling");
  EXPECT_TRUE(
      refused(ErrorCode::io, {"dangling", "there is no folder", "gone"}, [&] { check_place(folder_ / "dangling"); }));
  fs::create_symlink("loop", folder_ / "loop");
  EXPECT_TRUE(refused(ErrorCode::io, {"loop", "symbolic links"}, [&] { check_place(folder_ / "loop"); }));
  EXPECT_TRUE(refused(ErrorCode::io, {"loop", "symbolic links"}, [&] { write_text(folder_ / "loop", "x"); }));
}

TEST_F(WriteFile, TakesNamesOfAnyLengthThatTheFileSystemTakes) {
  for (const size_t length : {200U, 250U, 255U}) {
    const fs::path file = folder_ / std::string(length, 'n');
    check_place(file);
    write_text(file, "x");
    EXPECT_EQ(read_bytes(file), "x") << length;
  }
  EXPECT_TRUE(refused(ErrorCode::io, {"File name too long"}, [&] { check_place(folder_ / std::string(256, 'n')); }));
  EXPECT_TRUE(refused(ErrorCode::io, {"File name too long"}, [&] { check_place("/" + std::string(5000, '/') + "n"); }));
}

// /proc and the like say that root may write there.
TEST_F(WriteFile, PlacesWithoutFilesOfPrograms) {
  for (const char* file : {"/proc/x.png", "/proc/version", "/sys/x.png", "/sys/kernel/x.png", "/dev/pts/x.png"}) {
    if (!fs::exists(fs::path(file).parent_path())) continue;
    EXPECT_TRUE(refused(ErrorCode::io, {std::string(file) + ": can't be written"}, [&] { check_place(file); }));
  }
  fs::create_symlink("/proc/x.png", folder_ / "link");
  EXPECT_TRUE(refused(ErrorCode::io, {"link: can't be written"}, [&] { check_place(folder_ / "link"); }));
  check_place("/proc/self/cwd/x.png");
}

// Nobody who may write to the folder can plant something under the name beforehand.
TEST_F(WriteFile, ItsTemporaryFilesHaveRandomNames) {
  std::set<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    write_file(file_, [&](std::ostream& out) {
      for (const std::string& name : names()) seen.insert(name);
      out << "x";
    });
  }
  EXPECT_EQ(seen.size(), 21U) << "file, and a temporary name for each";
}

TEST_F(WriteFile, WritesToDevicesAsTheyAre) {
  write_text("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  if (!fs::is_character_file("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  EXPECT_TRUE(refused(ErrorCode::io, {"/dev/full:", "No space left"}, [] { write_text("/dev/full", "x"); }));
  EXPECT_TRUE(refused(ErrorCode::io, {"/dev/full:"}, [] { write_text("/dev/full", std::string(1 << 20, 'x')); }));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

}  // namespace
}  // namespace glm
