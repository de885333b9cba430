// The media store of a program at work. Pictures and the records of tasks are files. An index in SQLite lists them;
// when it is damaged, it is made anew from the files.
//
//   UUID.jpg, .png, .webp   a picture
//   tasks/UUID.json         a task: what it asked for and what came of it
//   sessions/UUID           a program at work (media/session.h)
//   index.sqlite            the index
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "glm/media.h"
#include "media/index.h"
#include "media/session.h"

namespace glm {

// A task as the store keeps it.
struct StoredTask {
  std::string uuid;                   // in lower case
  std::vector<std::string> pictures;  // the UUIDs of its pictures, also of those that aren't there yet
  bool uploads = false;               // its picture is brought, not drawn
  int64_t ttl = 0;                    // seconds after which its pictures expire; 0: never
  bool finished = false;
  std::string content = {};  // what the task layer knows of it
};

// Any number of threads and programs may use a folder at once. Every function throws Error(io) naming the folder when
// it can't be read or written, is locked by another program for ten seconds, or belongs to a newer version.
class MediaStore {
 public:
  // Opens a store, or makes one in a folder that is empty or missing. A program may have ended before it wrote its
  // files to the index; these are taken in. What has expired is deleted.
  explicit MediaStore(const std::filesystem::path& folder);
  MediaStore(const MediaStore&) = delete;
  MediaStore& operator=(const MediaStore&) = delete;

  const std::filesystem::path& folder() const { return folder_; }

  // Makes the task known. Returns false when a program that still runs, this one or another, has made a task of the
  // same UUID known. What an ended program knew under the UUID is replaced.
  [[nodiscard]] bool claim(const StoredTask& task);
  bool is_claimed(const std::string& task_uuid);
  void save(const StoredTask& task);  // the program must have claimed it

  struct Found {
    StoredTask task;
    bool is_running = false;  // the program that claimed it is still at work
  };
  std::optional<Found> find_task(const std::string& task_uuid);

  // Keeps a picture under its UUID, and returns its file. The extension says its format: "jpg", "png" or "webp". When
  // this returns the bytes are on the disk, whether or not the index could be written.
  std::filesystem::path add(const StoredTask& task, const std::string& uuid, const std::string& extension,
                            std::span<const uint8_t> bytes);

  // Finds a picture that hasn't expired. Returns nothing for a text that isn't a whole UUID.
  std::optional<MediaPicture> find(const std::string& uuid);

  // Returns the bytes of a picture that hasn't expired, or nothing. An uploaded one is kept 30 days longer from now.
  std::optional<std::vector<uint8_t>> use(const std::string& uuid);

  std::vector<MediaPicture> pictures();  // the oldest first
  size_t prune();                        // returns how many were deleted, those at the opening of the store included

 private:
  void adopt(Database& index) const;  // adds the lines of files that have none, and deletes lines without a file
  void adopt_tasks(Database& index) const;
  void adopt_pictures(Database& index) const;
  void write_line(Database& index, const StoredTask& task, const std::string& uuid, const std::string& extension) const;
  size_t delete_expired(Database& index) const;
  void delete_old_tasks(Database& index) const;
  std::filesystem::path task_file(const std::string& uuid) const;
  std::optional<StoredTask> read_task(const std::string& uuid, std::string* session) const;

  std::filesystem::path folder_;
  Session session_;
  std::unique_ptr<MediaIndex> index_;
  size_t deleted_ = 0;  // when it was opened
};

}  // namespace glm
