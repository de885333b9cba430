// Draws the pictures of tasks. Tasks without a reference share their passes of the prior.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "glm/pipeline.h"
#include "glm/tasks.h"
#include "tasks/record.h"

namespace glm::tasks {

// What the pipeline is asked for a task. Its reference isn't decoded yet.
Request request_of(const nlohmann::json& task);

// A task whose pictures are to be drawn.
struct Job {
  std::shared_ptr<Record> record;
  Request request;
  std::string reference;  // the picture to start from, as a text; or ""
};

class Drawing {
 public:
  // taken: gets each item as soon as it is in the job's record.
  using Taken = std::function<void(const Job& job, const nlohmann::ordered_json& item)>;
  Drawing(const Pipeline& pipeline, const TaskOptions& options, const TaskCallbacks& callbacks, Taken taken);

  // Draws the jobs' pictures, whose tokens are written together, and finishes their records: with an error where one
  // fails. Throws Error(cancelled), and what a callback throws.
  void draw(const std::vector<Job*>& jobs) const;

 private:
  std::vector<std::vector<Tokens>> tokens_of(const std::vector<Job*>& jobs) const;
  void draw_alone(Job& job, const std::vector<Tokens>& tokens, double pass_seconds) const;
  nlohmann::ordered_json item_of(const Job& job, const Request& request, size_t index, const Picture& picture,
                                 double seconds) const;

  const Pipeline& pipeline_;
  const TaskOptions& options_;
  Callbacks callbacks_;
  Taken taken_;
};

}  // namespace glm::tasks
