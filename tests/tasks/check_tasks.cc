// Says what the validator makes of arrays of tasks: reads an array from each line, and prints for each of its tasks
// "ok" or the error in JSON, in one line of JSON. The schema's test compares this with what the schema says.
#include <iostream>
#include <string>

#include "tasks/parse.h"

int main() {
  const std::vector<glm::tasks::TaskType> types = glm::tasks::task_types("nano");
  for (std::string line; std::getline(std::cin, line);) {
    const auto unused = [](const std::string&) { return false; };
    const glm::tasks::Parsed parsed = glm::tasks::parse_tasks(line, types, unused);
    nlohmann::ordered_json said = nlohmann::ordered_json::array();
    if (parsed.problem) said.push_back(parsed.problem->json());
    for (const auto& task : parsed.tasks) {
      said.push_back(task.error ? task.error->json() : nlohmann::ordered_json("ok"));
    }
    std::cout << said.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) << "\n";
  }
}
