// What is known of an accepted task, and the register of all of them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "glm/encode.h"
#include "media/store.h"
#include "tasks/task_error.h"

namespace glm::tasks {

// A task that answers with pictures. Several threads may ask while one works on it. What is known is in the media
// store, too, so that other programs can ask, and later ones. A failure to write it there is no failure of the task.
class Record {
 public:
  // A new task. results: how many pictures it will have. Their UUIDs are reserved here.
  Record(MediaStore& store, const nlohmann::json& task, size_t results);
  // A task that the store has.
  Record(MediaStore& store, const MediaStore::Found& found);

  // Makes it known in the store. Returns false when the UUID is in use there. Throws Error(io).
  [[nodiscard]] bool claim();

  const nlohmann::json& task() const { return task_; }
  std::string uuid() const { return task_.at("taskUUID"); }
  const std::vector<std::string>& image_uuids() const { return stored_.pictures; }

  // Writes picture `index` to the store, and returns its file. Throws Error(io).
  std::filesystem::path keep(size_t index, PictureFormat format, std::span<const uint8_t> bytes);

  // Adds the next result. is_kept: the store has its picture, which needn't stay in memory.
  void add(nlohmann::ordered_json item, bool is_kept);
  void finish();
  void fail(const TaskError& error);  // a task may have several errors, also beside results
  std::vector<TaskError> errors() const;
  bool is_saved() const;  // the store knows all that is known

  // What getResponse answers: an item for each result, all with the status processing or all with success. Of a task
  // that failed, what was finished, and the errors.
  struct Response {
    std::vector<nlohmann::ordered_json> items;
    std::vector<TaskError> errors;
  };
  Response response() const;

 private:
  struct Result {
    nlohmann::ordered_json item;  // without address and bytes of a picture that the store has
    bool is_kept;
  };
  Record(MediaStore& store, const MediaStore::Found& found, const nlohmann::ordered_json& content);
  std::string content() const;  // what the store keeps of it
  void save();
  bool give_picture(nlohmann::ordered_json* item) const;
  TaskError own_error(const std::string& code, const std::string& message) const;

  MediaStore& store_;
  const nlohmann::json task_;
  const bool has_ended_ = false;  // the program that worked on it
  mutable std::mutex mutex_;      // guards what follows
  StoredTask stored_;
  std::vector<Result> results_;
  std::vector<TaskError> errors_;
  bool is_saved_ = true;
};

class Register {
 public:
  // Adds a task under its UUID. Returns null when the UUID is in use. Throws Error(io).
  std::shared_ptr<Record> add(MediaStore& store, const nlohmann::json& task, size_t results);
  // Finds a task of this program, or one that the store has. Returns null for none. Throws Error(io).
  std::shared_ptr<Record> find(MediaStore& store, const std::string& uuid) const;
  // Forgets a finished task that can be found in the store.
  void release(const Record& record);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Record>> records_;  // by the UUID in lower case
};

}  // namespace glm::tasks
