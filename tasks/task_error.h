// Why a task has no result, as the contract's clients read it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace glm::tasks {

struct TaskError {
  std::string code;  // such as "invalidWidth"
  std::string message;
  std::string parameter = {};  // the field, "" for none
  std::string type = {};       // the field's type: "string", "integer", "float", "boolean", "array", "object"
  std::vector<std::string> allowed = {};
  std::string task_type = {};
  std::string task_uuid = {};

  // All that is known, without empty keys.
  nlohmann::ordered_json json() const;
};

// Reads what json() wrote. What isn't there, or is no text, is empty.
TaskError error_of_json(const nlohmann::ordered_json& object);

}  // namespace glm::tasks
