#include "tasks/task_error.h"

namespace glm::tasks {

nlohmann::ordered_json TaskError::json() const {
  nlohmann::ordered_json object = {{"code", code}, {"message", message}};
  const auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  add("parameter", parameter);
  add("type", type);
  if (!allowed.empty()) object["allowedValues"] = allowed;
  add("taskType", task_type);
  add("taskUUID", task_uuid);
  return object;
}

TaskError error_of_json(const nlohmann::ordered_json& object) {
  const auto text = [&](const char* key) {
    return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
  };
  TaskError error{.code = text("code"),
                  .message = text("message"),
                  .parameter = text("parameter"),
                  .type = text("type"),
                  .task_type = text("taskType"),
                  .task_uuid = text("taskUUID")};
  if (object.is_object() && object.contains("allowedValues")) {
    for (const auto& value : object["allowedValues"]) {
      if (value.is_string()) error.allowed.push_back(value);
    }
  }
  return error;
}

}  // namespace glm::tasks
