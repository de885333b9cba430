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

  // Opens folder/index.sqlite, or makes it. Then it calls `refill`, which writes the lines that are missing. A damaged
  // index is replaced by a new one, for which `refill` is called, too. Throws Error(io) when another program locks the
  // index for ten seconds, when the index belongs to a newer version or to another program, or when nobody can write
  // it.
  MediaIndex(const std::filesystem::path& folder, Work refill);

  // Runs `work`. One thread at a time does. A damaged index is renamed to index.sqlite.damaged and made anew, and
  // `work` runs once more. Throws Error(io), and what `work` throws.
  void use(const Work& work);

 private:
  void open();       // opens the index and refills it
  void set_aside();  // renames the damaged index and opens a new one
  [[noreturn]] void fail(const DatabaseError& error) const;

  std::filesystem::path file_;
  Work refill_;
  std::mutex mutex_;  // guards the database
  std::unique_ptr<Database> database_;
};

}  // namespace glm
