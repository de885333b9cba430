// JSON Schemas (2020-12) of the tasks, made from their table, and of the answers.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "tasks/fields.h"

namespace glm::tasks {

nlohmann::ordered_json schema_of(const std::vector<TaskType>& types);
nlohmann::ordered_json answer_schema();

}  // namespace glm::tasks
