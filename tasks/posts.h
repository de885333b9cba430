// Sends results to tasks' webhookURL and uploadEndpoint, while later ones are drawn.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "network/deliveries.h"
#include "tasks/task_error.h"

namespace glm::tasks {

class Posts {
 public:
  // Both outlive it. `cancel` may be null.
  Posts(const Network& network, const CancelToken* cancel);

  // Throws nothing and asks no other machine. Returns what is wrong with a task's addresses.
  static std::vector<TaskError> problems(const Network& network, const nlohmann::json& task);

  // Posts {key: [entry]} where the task has a webhookURL. place: of the task, to know a failure by.
  void post(size_t place, const nlohmann::json& task, const char* key, const nlohmann::ordered_json& entry);
  // Puts a picture's file where the task has an uploadEndpoint.
  void put(size_t place, const nlohmann::json& task, const std::vector<uint8_t>& file);

  struct Failed {
    size_t place = 0;
    TaskError error;
  };
  // Waits until everything is sent or given up.
  std::vector<Failed> wait();

 private:
  void add(Delivery delivery);

  Deliveries deliveries_;
  std::vector<Failure> not_added_;
};

}  // namespace glm::tasks
