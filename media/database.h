// A database of SQLite: statements with values in, rows out.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace glm {

// Says why a statement failed. It never leaves media/.
class DatabaseError : public std::runtime_error {
 public:
  DatabaseError(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  bool is_damaged() const { return code_ == SQLITE_CORRUPT || code_ == SQLITE_NOTADB; }
  bool is_locked() const { return code_ == SQLITE_BUSY || code_ == SQLITE_LOCKED; }

 private:
  int code_;
};

using DatabaseValue = std::variant<int64_t, std::string>;
using DatabaseRow = std::vector<DatabaseValue>;  // a column that is null is the number 0

// One thread at a time may use it.
class Database {
 public:
  // Opens or makes the file. Another program's lock is waited for, at most this long. Throws DatabaseError.
  Database(const std::filesystem::path& file, int wait_milliseconds);

  // Runs one statement, whose question marks stand for the values. Returns its rows. Throws DatabaseError.
  std::vector<DatabaseRow> run(const std::string& statement, const std::vector<DatabaseValue>& values = {});

  // Runs `work` in a transaction that no other writer interrupts. Throws DatabaseError, and what `work` throws. After
  // that, nothing has changed.
  void transact(const std::function<void()>& work);

 private:
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> handle_;
};

}  // namespace glm
