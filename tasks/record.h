// What is known of an accepted task, and the register of all of them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tasks/task_error.h"

namespace glm::tasks {

// A task that answers with pictures. Several threads may ask while one works on it.
class Record {
 public:
  // results: how many pictures it will have. Their UUIDs are reserved here.
  Record(nlohmann::json task, size_t results);

  const nlohmann::json& task() const { return task_; }
  std::string uuid() const { return task_.at("taskUUID"); }
  const std::vector<std::string>& image_uuids() const { return image_uuids_; }

  void add(nlohmann::ordered_json item);  // the next result
  void finish(std::optional<TaskError> error);

  // What getResponse answers: an item for each result, all with the status processing or all with success. Of a task
  // that failed, what was finished, and the error.
  struct Response {
    std::vector<nlohmann::ordered_json> items;
    std::optional<TaskError> error;
  };
  Response response() const;

 private:
  const nlohmann::json task_;
  std::vector<std::string> image_uuids_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<nlohmann::ordered_json> items_;
  std::optional<TaskError> error_;
  bool finished_ = false;
};

class Register {
 public:
  // Adds a task under its UUID. Returns null when there is one of this UUID.
  std::shared_ptr<Record> add(const nlohmann::json& task, size_t results);
  std::shared_ptr<Record> find(const std::string& uuid) const;  // or null

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Record>> records_;  // by the UUID in lower case
};

}  // namespace glm::tasks
