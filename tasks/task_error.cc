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

}  // namespace glm::tasks
