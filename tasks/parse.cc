#include "tasks/parse.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <system_error>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "tasks/values.h"

namespace glm::tasks {
namespace {

using nlohmann::json;
using Problem = std::optional<TaskError>;

constexpr size_t kMostValues = 1'000'000;  // of an array's JSON

TaskError error_of(const std::string& code, const std::string& message, const std::string& path = "",
                   const std::string& type = "") {
  return {.code = code, .message = message, .parameter = path, .type = type};
}

// Visits each field of an object, and those of the objects within it that are there. value: null when it is missing.
// Returns the first problem.
using Visit = std::function<Problem(const Field& field, const std::string& path, const json* value)>;
Problem first_problem(const std::vector<Field>& fields, const json& object, const std::string& prefix,
                      const Visit& visit) {
  for (const Field& field : fields) {
    const auto found = object.find(field.name);
    const json* value = found == object.end() ? nullptr : &*found;
    const std::string path = prefix + field.name;
    if (Problem problem = visit(field, path, value)) return problem;
    if (field.kind != Kind::object || value == nullptr || !value->is_object()) continue;
    if (Problem problem = first_problem(field.fields, *value, path + ".", visit)) return problem;
  }
  return std::nullopt;
}

const Field* find_field(const std::vector<Field>& fields, const std::string& name) {
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

Problem unknown_field(const std::vector<Field>& fields, const json& object, const std::string& prefix) {
  for (const auto& [key, value] : object.items()) {
    const Field* field = find_field(fields, key);
    if (field == nullptr && (key != "taskType" || !prefix.empty())) {
      const std::string path = prefix + shortened(key, 60);
      return error_of("unsupportedParameter", path + ": expected a field of this task, found one that it doesn't have",
                      path);
    }
    if (field == nullptr || field->kind != Kind::object || !value.is_object()) continue;
    if (Problem problem = unknown_field(field->fields, value, prefix + key + ".")) return problem;
  }
  return std::nullopt;
}

Problem missing(const Field& field, const std::string& path, const json* value) {
  if (!field.required || value != nullptr) return std::nullopt;
  return error_of(code_of("missing", path), path + ": expected " + expectation(field) + ", found none", path,
                  type_name(field.kind));
}

Problem invalid(const Field& field, const std::string& given, const json& value) {
  // All fields that mean the reference pictures have the contract's code.
  const std::string path = field.kind == Kind::pictures ? "inputs.referenceImages" : given;
  // A text that was meant to be an address may hold a secret.
  const std::string found = field.kind == Kind::address && value.is_string() ? "another text" : found_text(value);
  TaskError error = error_of(code_of("invalid", path), path + ": expected " + expectation(field) + ", found " + found,
                             path, type_name(field.kind));
  error.allowed = field.choices;
  return error;
}

Problem wrong_type(const Field& field, const std::string& path, const json* value) {
  if (value == nullptr || has_type(field.kind, *value)) return std::nullopt;
  return invalid(field, path, *value);
}

Problem outside(const Field& field, const std::string& path, const json* value) {
  if (value == nullptr) return std::nullopt;
  if (!field.only.is_null() && *value != field.only) {
    return error_of(
        "unsupportedParameter",
        path + ": expected " + json_text(field.only) + ", found " + found_text(*value) + "; " + field.refusal, path,
        type_name(field.kind));
  }
  if (!is_in_range(field, *value)) return invalid(field, path, *value);
  return std::nullopt;
}

// Fields that belong together.
Problem contradiction(const json& task) {
  if (task.contains("width") != task.contains("height")) {
    const std::string other = task.contains("width") ? "height" : "width";
    return error_of(code_of("missing", other), other + ": expected it beside the other side, found none", other,
                    "integer");
  }
  if (task.contains("ttl") && !wants_output(task, "URL")) {
    return error_of("incompatibleParameters", "ttl: expected only with outputType URL, found it with another", "ttl");
  }
  if (task.contains("uploadEndpoint") && task.contains("numberResults") && whole_of(task.at("numberResults")) > 1) {
    return error_of("incompatibleParameters", "uploadEndpoint: expected it with one result, found it with more",
                    "uploadEndpoint");
  }
  if (reference_texts(task).size() > 1) {
    return error_of("invalidReferenceImages",
                    "inputs.referenceImages: expected one picture, found different ones in fields that mean the same",
                    "inputs.referenceImages", "array");
  }
  return std::nullopt;
}

// A task's taskType and taskUUID, which an error needs to name it.
const TaskType* known_type(const json& object, const std::vector<TaskType>& types, ParsedTask* task) {
  std::vector<std::string> names;
  names.reserve(types.size());
  for (const TaskType& type : types) names.push_back(type.name);
  const auto found = object.find("taskType");
  if (found == object.end()) {
    task->error =
        error_of("missingTaskType", "taskType: expected " + listed(names) + ", found none", "taskType", "string");
  } else if (found->is_string()) {
    task->type = found->get<std::string>();
    const auto type = std::find_if(types.begin(), types.end(), [&](const TaskType& t) { return t.name == task->type; });
    if (type != types.end()) return &*type;
  }
  if (!task->error) {
    task->error =
        error_of("unsupportedTaskType", "taskType: expected " + listed(names) + ", found " + found_text(*found),
                 "taskType", "string");
  }
  task->error->allowed = names;
  return nullptr;
}

Problem wrong_uuid(const TaskType& type, ParsedTask* task, std::set<std::string>* used,
                   const std::function<bool(const std::string&)>& is_used) {
  const Field* field = find_field(type.fields, "taskUUID");
  if (field == nullptr) return std::nullopt;
  const auto found = task->object.find("taskUUID");
  const json* value = found == task->object.end() ? nullptr : &*found;
  if (Problem problem = missing(*field, "taskUUID", value)) return problem;
  if (value == nullptr) return std::nullopt;
  if (Problem problem = wrong_type(*field, "taskUUID", value)) return problem;
  task->uuid = value->get<std::string>();
  if (Problem problem = outside(*field, "taskUUID", value)) return problem;
  if (!task->draws() && !task->uploads()) return std::nullopt;
  const std::string own = lower_case(task->uuid);
  if (used->insert(own).second && !is_used(own)) return std::nullopt;
  return error_of("conflictTaskUUID", "taskUUID: expected a new one for each task, found one that is already used",
                  "taskUUID", "string");
}

ParsedTask parsed_task(json object, size_t index, const std::vector<TaskType>& types, std::set<std::string>* used,
                       const std::function<bool(const std::string&)>& is_used) {
  ParsedTask task{.type = "", .uuid = "", .object = std::move(object)};
  if (!task.object.is_object()) {
    task.error = error_of("invalidRequest", "task " + std::to_string(index + 1) + ": expected an object, found " +
                                                found_text(task.object));
    return task;
  }
  // An error names its task wherever it can.
  if (const auto id = task.object.find("taskUUID"); id != task.object.end() && id->is_string()) task.uuid = *id;
  if (const TaskType* type = known_type(task.object, types, &task)) {
    task.error = wrong_uuid(*type, &task, used, is_used);
    if (!task.error) task.error = unknown_field(type->fields, task.object, "");
    for (const Visit& visit : {Visit(missing), Visit(wrong_type), Visit(outside)}) {
      if (!task.error) task.error = first_problem(type->fields, task.object, "", visit);
    }
    if (!task.error) task.error = contradiction(task.object);
  }
  if (task.error) {
    task.error->task_type = shortened(task.type, 60);
    task.error->task_uuid = shortened(task.uuid, 60);
  }
  return task;
}

// Replaces each number that no double holds, such as 1e400, by the largest double. So its field is refused, and not the
// whole text.
std::string without_overflows(std::string_view text) {
  constexpr std::string_view in_numbers = "+-.0123456789Ee";
  constexpr std::string_view first = "-0123456789";
  std::string all;
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    if (!in_string && first.find(text[i]) != std::string_view::npos) {
      const size_t end = std::min(text.find_first_not_of(in_numbers, i), text.size());
      const std::string token(text.substr(i, end - i));
      double number = 0;
      const bool has_place = std::from_chars(token.data(), token.data() + token.size(), number).ec == std::errc();
      const bool is_small = token.find("e-") != std::string::npos || token.find("E-") != std::string::npos;
      all += has_place || is_small ? token : token[0] == '-' ? "-1.7976931348623157e308" : "1.7976931348623157e308";
      i = end;
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    if (in_string && text[i] == '\\' && i + 1 < text.size()) all += text[i++];
    all += text[i++];
  }
  return all;
}

std::string problem_of(std::string_view text, json* array) {
  const JsonLimits limits{.levels = kMostLevels, .values = kMostValues};
  std::string problem = json_problem(text, limits, array);
  if (!problem.ends_with(kNumberTooLarge)) return problem;
  return json_problem(without_overflows(text), limits, array);
}

}  // namespace

bool ParsedTask::needs_store() const {
  return draws() || uploads() || type == "getResponse" || type == "getTaskDetails";
}

std::string ParsedTask::picture() const {
  if (uploads()) return object.at("image");
  const std::vector<std::string> all = reference_texts(object);
  return all.empty() ? "" : all[0];
}

TaskError ParsedTask::error_of(const std::string& code, const std::string& message, const std::string& parameter,
                               const std::string& parameter_type) const {
  return {.code = code,
          .message = message,
          .parameter = parameter,
          .type = parameter_type,
          .task_type = type,
          .task_uuid = uuid};
}

Parsed parse_tasks(std::string_view text, const std::vector<TaskType>& types,
                   const std::function<bool(const std::string& uuid)>& is_used) {
  if (text.size() > kMostBytes) {
    return {.problem = error_of("maxPayloadExceeded", "expected at most " + std::to_string(kMostBytes) +
                                                          " bytes of tasks, found " + std::to_string(text.size()))};
  }
  json array;
  const std::string problem = problem_of(text, &array);
  if (!problem.empty()) {
    const std::string code = problem.starts_with("JSON of more than") ? "maxPayloadExceeded" : "invalidRequest";
    return {.problem = error_of(code, "expected an array of tasks in JSON, found " + shortened(problem, 300))};
  }
  if (!array.is_array() || array.empty()) {
    return {.problem =
                error_of("invalidRequest", "expected an array of at least one task, found " + found_text(array))};
  }
  if (array.size() > kMostTasks) {
    return {.problem = error_of("maxPayloadExceeded", "expected at most " + std::to_string(kMostTasks) +
                                                          " tasks, found " + std::to_string(array.size()))};
  }
  Parsed parsed;
  std::set<std::string> used;
  for (json& object : array) {
    parsed.tasks.push_back(parsed_task(std::move(object), parsed.tasks.size(), types, &used, is_used));
  }
  return parsed;
}

}  // namespace glm::tasks
