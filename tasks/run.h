// One call: an array of tasks from its text to its answer.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "glm/pipeline.h"
#include "glm/tasks.h"
#include "tasks/drawing.h"
#include "tasks/parse.h"
#include "tasks/record.h"

namespace glm::tasks {

class Run {
 public:
  using Load = std::function<const Pipeline&()>;
  // most_of_pass: how many pictures share a pass; 0: what the pipeline's device makes worth while.
  Run(const TaskOptions& options, const TaskCallbacks& callbacks, Register& known, size_t most_of_pass);

  // Throws what `load` throws, Error(io) for the folder, and what a callback throws.
  TaskAnswer answer(std::string_view text, const Load& load);

 private:
  struct Slot {  // a task's place in the answer
    ParsedTask task;
    std::shared_ptr<Record> record = nullptr;
    std::vector<nlohmann::ordered_json> items = {};
    bool answered = false;
  };

  void check(const Load& load);
  static std::vector<Image> decoded(Slot& slot);
  static void check_model(Slot& slot, const std::vector<Image>& references, const Pipeline& pipeline);
  void accept();
  void answer_at_once(Slot& slot);
  void upload(Slot& slot);
  void draw(const Load& load);
  void draw_pass(const Pipeline& pipeline, const std::vector<Slot*>& pass);
  void answer_later(Slot& slot);
  void fail(Slot& slot, TaskError error);
  void give(Slot& slot, nlohmann::ordered_json item);
  void tell(const char* key, const nlohmann::ordered_json& entry) const;
  void cancel_rest();
  void give_up();
  TaskAnswer assembled() const;

  const TaskOptions& options_;
  TaskCallbacks callbacks_;
  Register& known_;
  size_t most_of_pass_;
  std::optional<TaskError> problem_;  // of the whole text
  std::vector<Slot> slots_;
  size_t repeated_ = 0;  // bytes of earlier results in the answer
  bool cancelled_ = false;
  std::exception_ptr thrown_;  // by the caller's progress
};

}  // namespace glm::tasks
