#include "media/database.h"

#include <limits>

namespace glm {
namespace {

void check(sqlite3* handle, int code) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  // The primary code is in the lowest 8 bits.
  throw DatabaseError(code & 0xff, handle == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle));
}

DatabaseValue column(sqlite3_stmt* statement, int index) {
  if (sqlite3_column_type(statement, index) != SQLITE_TEXT) return sqlite3_column_int64(statement, index);
  const unsigned char* text = sqlite3_column_text(statement, index);
  if (text == nullptr) throw DatabaseError(SQLITE_NOMEM, sqlite3_errstr(SQLITE_NOMEM));
  return std::string(reinterpret_cast<const char*>(text), static_cast<size_t>(sqlite3_column_bytes(statement, index)));
}

}  // namespace

Database::Database(const std::filesystem::path& file, int wait_milliseconds) : handle_(nullptr, sqlite3_close) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  handle_.reset(handle);
  check(handle, code);
  check(handle, sqlite3_busy_timeout(handle, wait_milliseconds));
}

std::vector<DatabaseRow> Database::run(const std::string& statement, const std::vector<DatabaseValue>& values) {
  sqlite3_stmt* prepared = nullptr;
  check(handle_.get(), sqlite3_prepare_v2(handle_.get(), statement.c_str(), -1, &prepared, nullptr));
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> owner(prepared, sqlite3_finalize);
  for (size_t i = 0; i < values.size(); ++i) {
    const int place = static_cast<int>(i) + 1;
    if (const auto* number = std::get_if<int64_t>(&values[i])) {
      check(handle_.get(), sqlite3_bind_int64(prepared, place, *number));
    } else {
      const auto& text = std::get<std::string>(values[i]);
      check(handle_.get(),
            sqlite3_bind_text64(prepared, place, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
    }
  }
  std::vector<DatabaseRow> rows;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(prepared)) == SQLITE_ROW) {
    DatabaseRow row;
    for (int i = 0; i < sqlite3_column_count(prepared); ++i) row.push_back(column(prepared, i));
    rows.push_back(std::move(row));
  }
  check(handle_.get(), code);
  return rows;
}

void Database::transact(const std::function<void()>& work) {
  run("BEGIN IMMEDIATE");
  try {
    work();
    run("COMMIT");
  } catch (...) {
    if (sqlite3_get_autocommit(handle_.get()) == 0) {
      sqlite3_exec(handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    }
    throw;
  }
}

}  // namespace glm
