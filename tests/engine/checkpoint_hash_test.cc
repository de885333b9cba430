// What tells checkpoints apart: a file that can't be read is never passed over.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "glm/plan.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

class CheckpointHash : public testing::Test {
 protected:
  CheckpointHash() {
    fs::create_directories(folder_ / "model/part");
    write_bytes(folder_ / "model/config.json", "{}");
    write_bytes(folder_ / "model/part/model.safetensors", std::string(3'000'000, 'w'));
  }
  std::string hash() const { return checkpoint_hash(folder_ / "model"); }
  const TemporaryFolder folder_;
};

TEST_F(CheckpointHash, FollowsNamesAndContents) {
  const std::string before = hash();
  EXPECT_EQ(before.size(), 64U);
  EXPECT_EQ(hash(), before);
  write_bytes(folder_ / "model/notes.txt", "nothing of the model's");
  EXPECT_EQ(hash(), before);
  write_bytes(folder_ / "model/config.json", "{ }");
  EXPECT_NE(hash(), before);
}

TEST_F(CheckpointHash, ALinkThatLeadsNowhereIsNamed) {
  fs::create_symlink(folder_ / "nowhere", folder_ / "model/part/more.safetensors");
  EXPECT_TRUE(refused(ErrorCode::model, {"more.safetensors"}, [&] { (void)hash(); }));
}

TEST_F(CheckpointHash, WhatIsNoFileIsNamed) {
  fs::create_directory(folder_ / "model/part/folder.json");
  EXPECT_TRUE(refused(ErrorCode::model, {"folder.json"}, [&] { (void)hash(); }));
}

// As another user: the superuser may read everything.
TEST_F(CheckpointHash, AFileWithoutReadRightsIsNamed) {
  fs::permissions(folder_.path(), fs::perms::all);
  fs::permissions(folder_ / "model/part/model.safetensors", fs::perms::none);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
    const bool named = static_cast<bool>(refused(ErrorCode::model, {"model.safetensors"}, [&] { (void)hash(); }));
    ::_exit(named ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: not refused, 2: no other user to be";
}

}  // namespace
}  // namespace glm
