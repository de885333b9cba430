#include "media/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "base/uuid.h"
#include "glm/error.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

StoredTask new_task(int64_t ttl = 0, bool uploads = false) {
  return {.uuid = new_uuid(), .pictures = {new_uuid()}, .uploads = uploads, .ttl = ttl, .content = "{}"};
}

const std::vector<uint8_t> kBytes = {1, 2, 3};
constexpr int64_t kDays30 = int64_t{30} * 86400;  // seconds

std::string add_one(MediaStore& store, const StoredTask& task) {
  EXPECT_TRUE(store.claim(task));
  store.add(task, task.pictures[0], "png", kBytes);
  return task.pictures[0];
}

void set_age(const fs::path& file, int64_t seconds) {
  const timespec then{.tv_sec = ::time(nullptr) - seconds, .tv_nsec = 0};
  const timespec times[2] = {then, then};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
}

// Runs a statement on the index, as another program would.
void change_index(const fs::path& folder, const std::string& statement) {
  sqlite3* index = nullptr;
  ASSERT_EQ(sqlite3_open((folder / "index.sqlite").c_str(), &index), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(index, statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(index);
  sqlite3_close(index);
}

std::string problem_of(const fs::path& folder) {
  try {
    MediaStore store(folder);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::io);
    return e.what();
  }
  return "";
}

class Media : public testing::Test {
 protected:
  TemporaryFolder made_;
  fs::path folder_ = made_.path() / "media";
};

TEST_F(Media, IsFoundByItsWholeUuidAlone) {
  MediaStore store(folder_);
  const std::string uuid = add_one(store, new_task());
  std::string upper = uuid;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_TRUE(store.find(uuid));
  EXPECT_EQ(store.find(upper)->uuid, uuid);
  EXPECT_EQ(store.use(uuid), kBytes);
  const std::vector<std::string> others = {
      "",  uuid.substr(0, 35), uuid + "0",    uuid + ".png", "../media/" + uuid, uuid + "\n",
      "%", new_uuid(),         "' OR 1=1 --", "index.sqlite"};
  for (const std::string& other : others) {
    EXPECT_FALSE(store.find(other)) << other;
    EXPECT_FALSE(store.use(other)) << other;
    EXPECT_FALSE(store.find_task(other)) << other;
  }
}

TEST_F(Media, OutlivesItsProgram) {
  const StoredTask task = new_task();
  {
    MediaStore store(folder_);
    add_one(store, task);
    EXPECT_TRUE(store.find_task(task.uuid)->is_running);
  }
  MediaStore store(folder_);
  EXPECT_EQ(store.use(task.pictures[0]), kBytes);
  const auto found = store.find_task(task.uuid);
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->is_running);
  EXPECT_EQ(found->task.pictures, task.pictures);
  EXPECT_EQ(found->task.content, task.content);
}

TEST_F(Media, ATaskBelongsToOneProgramAtATime) {
  const StoredTask task = new_task();
  MediaStore other(folder_);
  {
    MediaStore store(folder_);
    EXPECT_TRUE(store.claim(task));
    EXPECT_FALSE(store.claim(task));
    EXPECT_FALSE(other.claim(task));
    EXPECT_TRUE(other.is_claimed(task.uuid));
  }
  EXPECT_FALSE(other.is_claimed(task.uuid)) << "its program has ended";
  EXPECT_TRUE(other.claim(task));
}

TEST_F(Media, ManyThreadsClaimATaskOnce) {
  MediaStore store(folder_);
  MediaStore other(folder_);
  const StoredTask task = new_task();
  std::atomic<int> claimed = 0;
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { claimed += (i % 2 == 0 ? store : other).claim(task) ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claimed, 1);
}

TEST_F(Media, ResultsExpireByTheirTtlAndUploadsThirtyDaysAfterTheirLastUse) {
  MediaStore store(folder_);
  const std::string forever = add_one(store, new_task());
  const std::string short_lived = add_one(store, new_task(60));
  const std::string upload = add_one(store, new_task(0, /*uploads=*/true));
  const int64_t now = ::time(nullptr);
  EXPECT_EQ(store.find(forever)->expires, 0);
  EXPECT_NEAR(static_cast<double>(store.find(short_lived)->expires), static_cast<double>(now + 60), 2);
  EXPECT_NEAR(static_cast<double>(store.find(upload)->expires), static_cast<double>(now + kDays30), 2);
  change_index(folder_, "UPDATE pictures SET expires = " + std::to_string(now) + " WHERE uuid = '" + short_lived + "'");
  change_index(folder_, "UPDATE pictures SET expires = " + std::to_string(now + 5) + " WHERE uuid = '" + upload + "'");
  EXPECT_FALSE(store.find(short_lived)) << "it has expired, but isn't deleted yet";
  EXPECT_FALSE(store.use(short_lived));
  EXPECT_TRUE(fs::exists(folder_ / (short_lived + ".png")));
  EXPECT_TRUE(store.use(upload));
  EXPECT_NEAR(static_cast<double>(store.find(upload)->expires), static_cast<double>(now + kDays30), 5);
  EXPECT_EQ(store.prune(), 1);
  EXPECT_EQ(store.prune(), 0);
  EXPECT_FALSE(fs::exists(folder_ / (short_lived + ".png")));
  EXPECT_EQ(store.pictures().size(), 2);
}

TEST_F(Media, PrunesWhenItIsOpened) {
  const StoredTask task = new_task(60);
  add_one(*std::make_unique<MediaStore>(folder_), task);
  change_index(folder_, "UPDATE pictures SET expires = 1");
  EXPECT_EQ(prune_media(folder_), 1);
  EXPECT_FALSE(fs::exists(folder_ / (task.pictures[0] + ".png")));
  EXPECT_TRUE(MediaStore(folder_).find_task(task.uuid)) << "a task is known for 30 days";
  change_index(folder_, "UPDATE tasks SET made = 1");
  EXPECT_FALSE(MediaStore(folder_).find_task(task.uuid));
}

TEST_F(Media, TakesInWhatAKilledProgramLeft) {
  const StoredTask task = new_task(600);
  add_one(*std::make_unique<MediaStore>(folder_), task);
  change_index(folder_, "DELETE FROM pictures");
  MediaStore store(folder_);
  const auto found = store.find(task.pictures[0]);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->task, task.uuid);
  EXPECT_NE(found->expires, 0);
  fs::remove(found->file);
  EXPECT_FALSE(store.find(task.pictures[0]));
  EXPECT_TRUE(MediaStore(folder_).pictures().empty());
}

TEST_F(Media, TakesInNothingButFiles) {
  { MediaStore store(folder_); }
  ASSERT_EQ(::mkfifo((folder_ / (new_uuid() + ".png")).c_str(), 0600), 0);
  fs::create_directory(folder_ / (new_uuid() + ".png"));
  fs::create_symlink("/etc/passwd", folder_ / (new_uuid() + ".jpg"));
  std::ofstream(folder_ / (new_uuid() + ".gif")) << "x";
  std::ofstream(folder_ / "notes.png") << "x";
  EXPECT_TRUE(MediaStore(folder_).pictures().empty());
}

TEST_F(Media, DeletesTheUnfinishedFilesOfKilledPrograms) {
  { MediaStore store(folder_); }
  const fs::path old = folder_ / "glm-image-0123456789abcdef.partial";
  const fs::path fresh = folder_ / "glm-image-0123456789abcde0.partial";
  const fs::path session = folder_ / "sessions" / new_uuid();
  for (const fs::path& file : {old, fresh, session}) std::ofstream(file) << "x";
  set_age(old, 7200);
  MediaStore store(folder_);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(fresh));
  EXPECT_FALSE(fs::exists(session));
}

class DamagedIndex : public Media, public testing::WithParamInterface<const char*> {};

TEST_P(DamagedIndex, IsMadeAnewFromTheFiles) {
  const StoredTask result = new_task(600);
  const StoredTask upload = new_task(0, /*uploads=*/true);
  {
    MediaStore store(folder_);
    add_one(store, result);
    add_one(store, upload);
    for (int i = 0; i < 200; ++i) add_one(store, new_task());
  }
  const fs::path index = folder_ / "index.sqlite";
  const std::string kind = GetParam();
  const auto size = static_cast<std::streamoff>(fs::file_size(index));
  if (kind == "garbage") std::ofstream(index) << std::string(20000, 'x');
  if (kind == "a cut file") fs::resize_file(index, static_cast<uintmax_t>(size / 2));
  if (kind == "a deleted file") fs::remove(index);
  if (kind == "an empty file") std::ofstream(index).close();
  if (kind == "a page of zeros") {
    std::fstream file(index, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8192);
    file << std::string(4096, '\0');
  }
  MediaStore store(folder_);
  EXPECT_EQ(store.pictures().size(), 202);
  EXPECT_EQ(store.find(result.pictures[0])->task, result.uuid);
  EXPECT_NE(store.find(result.pictures[0])->expires, 0);
  EXPECT_TRUE(store.find(upload.pictures[0])->uploaded);
  EXPECT_FALSE(store.is_claimed(result.uuid));
  EXPECT_TRUE(store.find_task(result.uuid));
  add_one(store, new_task());
}
INSTANTIATE_TEST_SUITE_P(Kinds, DamagedIndex,
                         testing::Values("garbage", "a cut file", "a deleted file", "an empty file",
                                         "a page of zeros"));

TEST_F(Media, AnIndexThatIsDamagedMeanwhileLosesNothing) {
  MediaStore store(folder_);
  const std::string first = add_one(store, new_task());
  std::ofstream(folder_ / "index.sqlite") << std::string(20000, 'x');
  for (const char* end : {"-wal", "-shm"}) std::ofstream(folder_ / (std::string("index.sqlite") + end)) << "x";
  const std::string second = add_one(store, new_task());
  MediaStore later(folder_);
  EXPECT_TRUE(later.find(first));
  EXPECT_TRUE(later.find(second));
}

TEST_F(Media, RefusesAnIndexOfANewerVersionOrOfAnotherProgram) {
  { MediaStore store(folder_); }
  change_index(folder_, "PRAGMA user_version = 2");
  const std::string newer = problem_of(folder_);
  EXPECT_NE(newer.find("version 1, found one of version 2; use a newer glm-image"), std::string::npos) << newer;
  change_index(folder_, "PRAGMA user_version = 1; PRAGMA application_id = 7");
  const std::string foreign = problem_of(folder_);
  EXPECT_NE(foreign.find("found another program's database"), std::string::npos) << foreign;
}

TEST_F(Media, WaitsForALockAndSaysSoWhenItStays) {
  MediaStore store(folder_);
  const StoredTask task = new_task();
  ASSERT_TRUE(store.claim(task));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "index.sqlite").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  std::thread unlock([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr);
  });
  EXPECT_TRUE(store.claim(new_task()));
  unlock.join();
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  try {
    (void)store.claim(new_task());
    ADD_FAILURE() << "expected an error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("locked for 10 seconds"), std::string::npos) << e.what();
  }
  store.add(task, task.pictures[0], "png", kBytes);  // the picture is kept all the same
  sqlite3_close(other);
  EXPECT_TRUE(MediaStore(folder_).find(task.pictures[0]));
}

TEST_F(Media, NamesAFolderThatCannotBeWritten) {
  std::ofstream(folder_).close();
  EXPECT_NE(problem_of(folder_).find(folder_.string()), std::string::npos);
  EXPECT_NE(problem_of("/proc/glm-image").find("/proc/glm-image"), std::string::npos);
  fs::remove(folder_);
  fs::create_directory(folder_);
  fs::create_directory(folder_ / "index.sqlite");
  EXPECT_NE(problem_of(folder_).find("index.sqlite"), std::string::npos);
}

TEST_F(Media, MayLieBehindALink) {
  fs::create_directory(made_ / "far");
  fs::create_directory_symlink(made_ / "far", made_ / "near");
  const StoredTask task = new_task();
  add_one(*std::make_unique<MediaStore>(made_ / "near" / "media"), task);
  EXPECT_TRUE(MediaStore(made_ / "far" / "media").find(task.pictures[0]));
}

TEST_F(Media, IsItsUsersOwn) {
  MediaStore store(folder_);
  struct stat status {};
  ASSERT_EQ(::stat(folder_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

}  // namespace
}  // namespace glm
