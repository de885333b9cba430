// An array of tasks, through the parser and the validator. What they pass may be asked for by its fields.
#include <cstdlib>
#include <string_view>

#include "tasks/parse.h"
#include "tasks/values.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<glm::tasks::TaskType> types = glm::tasks::task_types("nano");
  const auto unused = [](const std::string&) { return false; };
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const glm::tasks::Parsed parsed = glm::tasks::parse_tasks(text, types, unused);
  const auto written = [](const glm::tasks::TaskError& error) {
    return error.json().dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  };
  if (parsed.problem && written(*parsed.problem).empty()) std::abort();
  for (const glm::tasks::ParsedTask& task : parsed.tasks) {
    if (task.error) {
      written(*task.error);
      continue;
    }
    if (task.type != "imageInference") continue;
    glm::tasks::reference_texts(task.object);
    if (glm::tasks::wants_output(task.object, "URL") && !task.object.contains("positivePrompt")) std::abort();
  }
  return 0;
}
