// Reads an array of tasks, and finds all that is wrong with each before any of them starts.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/fields.h"
#include "tasks/task_error.h"

namespace glm::tasks {

struct ParsedTask {
  std::string type;
  std::string uuid;       // as the task has it; "" for none
  nlohmann::json object;  // as it came
  std::optional<TaskError> error = std::nullopt;

  bool draws() const { return type == "imageInference"; }
  bool uploads() const { return type == "imageUpload"; }
  bool needs_store() const;
  std::string picture() const;  // the one that it starts from, or "": a UUID, a web address, base64 or a data URI
  TaskError error_of(const std::string& code, const std::string& message, const std::string& parameter = "",
                     const std::string& parameter_type = "") const;
};

struct Parsed {
  std::optional<TaskError> problem = std::nullopt;  // of the whole text: no task is looked at
  std::vector<ParsedTask> tasks = {};
};

// Looks at everything that needs neither a model nor a picture's bytes, in the contract's order: taskType, taskUUID,
// unknown fields, required ones, types, ranges, fields that belong together. A task has the error that comes first.
// is_used: whether a task of this UUID, in lower case, has been accepted before.
Parsed parse_tasks(std::string_view text, const std::vector<TaskType>& types,
                   const std::function<bool(const std::string& uuid)>& is_used);

}  // namespace glm::tasks
