// The index of a media store: opened, made, waited for, and made anew when it is damaged.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>

#include "media/database.h"

namespace glm {

class MediaIndex {
 public:
  using Work = std::function<void(Database& index)>;

  // Opens folder/index.sqlite, or makes it, and calls `refill`, which writes the lines that are missing. A new index
  // that takes the place of a damaged one is refilled, too. Throws Error(io) when another program locks it for ten
  // seconds, when it belongs to a newer version or to another program, or when it can't be written.
  MediaIndex(const std::filesystem::path& folder, Work refill);

  // Runs `work`, one thread after the other. A damaged index is put aside as index.sqlite.damaged and made anew; `work`
  // runs once more then. Throws Error(io), and what `work` throws.
  void use(const Work& work);

 private:
  void open();       // and refills it
  void set_aside();  // the damaged file, and opens a new one
  [[noreturn]] void fail(const DatabaseError& error) const;

  std::filesystem::path file_;
  Work refill_;
  std::mutex mutex_;  // guards the database
  std::unique_ptr<Database> database_;
};

}  // namespace glm
