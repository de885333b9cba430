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

// What the pipeline is asked for a task, but for its reference.
Request request_of(const nlohmann::json& task);

// A task whose pictures are to be drawn.
struct Job {
  std::shared_ptr<Record> record;
  Request request;
  std::vector<uint8_t> reference = {};  // the file of the picture to start from; or nothing
};

class Drawing {
 public:
  // taken: gets each item as soon as it is in the job's record, and the picture's file, which is empty when the picture
  // isn't delivered.
  using Taken =
      std::function<void(const Job& job, const nlohmann::ordered_json& item, const std::vector<uint8_t>& file)>;
  // checker: returns the model for tasks that ask for a check.
  using Checker = std::function<const SafetyChecker&()>;
  Drawing(const Pipeline& pipeline, const TaskOptions& options, const TaskCallbacks& callbacks, Checker checker,
          Taken taken);

  // Draws the jobs' pictures and finishes their records: with an error where one fails. Their tokens are written
  // together; or one_by_one, each picture's before it is drawn, so that the first one is there early. Throws
  // Error(cancelled), and what a callback throws.
  void draw(const std::vector<Job*>& jobs, bool one_by_one) const;

 private:
  std::vector<std::vector<Tokens>> tokens_of(const std::vector<Job*>& jobs) const;
  // tokens: of all its pictures; or nothing, and each picture's are written here.
  void draw_alone(Job& job, const std::vector<Tokens>& tokens, double pass_seconds) const;
  struct Delivered {
    nlohmann::ordered_json item;
    std::vector<uint8_t> file;  // empty when the picture is flagged
    bool is_kept = false;       // by the media store
  };
  Delivered deliver(const Job& job, const Request& request, size_t index, const Picture& picture, double seconds) const;
  void add_cost(const Request& request, double seconds, nlohmann::ordered_json* item) const;

  const Pipeline& pipeline_;
  const TaskOptions& options_;
  Callbacks callbacks_;
  Checker checker_;
  Taken taken_;
};

}  // namespace glm::tasks
