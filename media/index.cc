#include "media/index.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "base/atomic_file.h"
#include "base/refuse.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kVersion = 1;
constexpr int64_t kApplication = 0x474c4d49;  // "GLMI", which marks the database as ours
constexpr int kWaitMilliseconds = 10'000;     // for another program's lock

int64_t setting(Database& database, const std::string& name) {
  return std::get<int64_t>(database.run("PRAGMA " + name).at(0).at(0));
}

// Tries again and again, because SQLite doesn't wait for a lock while it changes this mode.
void write_ahead(Database& database) {
  for (int tries = 0;; ++tries) {
    try {
      database.run("PRAGMA journal_mode = WAL");
      return;
    } catch (const DatabaseError& e) {
      if (!e.is_locked() || tries * 20 > kWaitMilliseconds) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

void make_tables(Database& database) {
  database.run(
      "CREATE TABLE pictures(uuid TEXT PRIMARY KEY, extension TEXT NOT NULL, task TEXT NOT NULL, uploaded INTEGER "
      "NOT NULL, bytes INTEGER NOT NULL, made INTEGER NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID");
  database.run("CREATE INDEX pictures_by_task ON pictures(task)");
  database.run("CREATE TABLE tasks(uuid TEXT PRIMARY KEY, session TEXT NOT NULL, made INTEGER NOT NULL) WITHOUT ROWID");
  database.run("PRAGMA application_id = " + std::to_string(kApplication));
  database.run("PRAGMA user_version = " + std::to_string(kVersion));
}

}  // namespace

MediaIndex::MediaIndex(const fs::path& folder, Work refill)
    : file_(folder / "index.sqlite"), refill_(std::move(refill)) {
  use([](Database&) {});
}

void MediaIndex::use(const Work& work) {
  const std::lock_guard lock(mutex_);
  try {
    try {
      if (database_ == nullptr) open();
      return work(*database_);
    } catch (const DatabaseError& e) {
      if (!e.is_damaged()) throw;
    }
    set_aside();
    work(*database_);
  } catch (const DatabaseError& e) {
    fail(e);
  }
}

void MediaIndex::fail(const DatabaseError& error) const {
  if (error.is_locked()) {
    refuse(ErrorCode::io, file_.string(), "an index to write", "one that another program has locked for 10 seconds",
           "end that program, or choose another folder");
  }
  refuse(ErrorCode::io, file_.string(), "an index to read and write", error.what(), "choose another folder");
}

void MediaIndex::open() {
  database_.reset();
  auto opened = std::make_unique<Database>(file_, kWaitMilliseconds);
  const auto check = opened->run("PRAGMA quick_check(1)");
  if (check.empty() || check[0].at(0) != DatabaseValue("ok")) {
    throw DatabaseError(SQLITE_CORRUPT, "a damaged database");
  }
  const auto has_tables = [&] { return !opened->run("SELECT name FROM sqlite_master").empty(); };
  if (has_tables() && setting(*opened, "application_id") != kApplication) {
    refuse(ErrorCode::io, file_.string(), "the index of a media store", "another program's database",
           "choose another folder");
  }
  if (const int64_t version = setting(*opened, "user_version"); version > kVersion) {
    refuse(ErrorCode::io, file_.string(), "the index of a media store of version " + std::to_string(kVersion),
           "one of version " + std::to_string(version), "use a newer glm-image, or choose another folder");
  }
  write_ahead(*opened);
  opened->run("PRAGMA synchronous = NORMAL");
  opened->transact([&] {
    if (!has_tables()) make_tables(*opened);
  });
  refill_(*opened);
  database_ = std::move(opened);
}

// Only one program at a time replaces a damaged index, and only if no other has done it meanwhile.
void MediaIndex::set_aside() {
  const int lock = ::open((file_.parent_path() / "index.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) refuse_to_write(file_, std::strerror(errno));
  const std::shared_ptr<void> closed(nullptr, [lock](void*) { ::close(lock); });
  if (::flock(lock, LOCK_EX) != 0) refuse_to_write(file_, std::strerror(errno));
  try {
    return open();
  } catch (const DatabaseError& e) {
    if (!e.is_damaged()) throw;
  }
  std::error_code failed;
  fs::rename(file_, file_.string() + ".damaged", failed);
  if (failed) refuse_to_write(file_, failed.message());
  for (const char* end : {"-wal", "-shm"}) fs::remove(file_.string() + end, failed);
  open();
}

}  // namespace glm
