// What tells checkpoints apart: a file that can't be read is never passed over.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/checkpoint/checkpoint_name.h"
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

// A download cache has each file as a link to one with another name.
TEST_F(CheckpointHash, LinksCountByTheirOwnNames) {
  const std::string before = hash();
  fs::create_directory(folder_ / "blobs");
  int count = 0;
  for (const char* name : {"model/config.json", "model/part/model.safetensors"}) {
    const fs::path blob = folder_ / ("blobs/" + std::to_string(++count));
    fs::rename(folder_ / name, blob);
    fs::create_symlink(blob, folder_ / name);
  }
  EXPECT_EQ(hash(), before) << "files";
  fs::rename(folder_ / "model/part", folder_ / "elsewhere");
  fs::create_directory_symlink(folder_ / "elsewhere", folder_ / "model/part");
  EXPECT_EQ(hash(), before) << "a component's folder";
  fs::create_directory_symlink(folder_ / "model", folder_ / "link");
  for (const std::string name : {"link", "model/", "model/../model", "blobs/../link/"}) {
    EXPECT_EQ(checkpoint_hash(folder_ / name), before) << name;
  }
  fs::create_directory_symlink(folder_ / "model", folder_ / "model/part/loop");
  EXPECT_EQ(hash(), before) << "a link to the folder above";
}

// A repository in a download cache, and what is near it.
TEST_F(CheckpointHash, ARepositoryInACacheMeansItsMainSnapshot) {
  write_bytes(folder_ / "model/model_index.json", R"({"_class_name": "GlmImagePipeline"})");
  const std::string before = hash();
  const fs::path repository = folder_ / "hub/models--zai-org--GLM-Image";
  fs::create_directories(repository / "refs");
  fs::create_directories(repository / "snapshots");
  fs::rename(folder_ / "model", repository / "snapshots/0123abcd");
  write_bytes(repository / "refs/main", "0123abcd");
  EXPECT_EQ(checkpoint_hash(repository), before);
  write_bytes(repository / "refs/main", "0123abcd\n");
  EXPECT_EQ(checkpoint_hash(repository), before);
  EXPECT_EQ(CheckpointName("random:" + repository.string()).folder, repository / "snapshots/0123abcd");
  const std::string snapshot = "did you mean " + (repository / "snapshots/0123abcd").string() + "?";
  for (const fs::path& near : {repository / "snapshots", folder_ / "hub", repository / "snapshots/0123abcd/part",
                               repository / "snapshots/0123abcd/config.json"}) {
    EXPECT_TRUE(refused(ErrorCode::model, {near.string(), snapshot}, [&] { check_checkpoint(near); }));
  }
  for (const char* other : {"", "fedc", "../../0123abcd", "snapshots"}) {
    write_bytes(repository / "refs/main", other);
    EXPECT_EQ(CheckpointName(repository).folder, repository) << other;
    EXPECT_TRUE(refused(ErrorCode::model, {snapshot}, [&] { check_checkpoint(repository); }));
  }
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
