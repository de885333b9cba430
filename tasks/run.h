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
#include "tasks/picture_sources.h"
#include "tasks/posts.h"
#include "tasks/record.h"

namespace glm::tasks {

// What a call makes use of. The functions return the same each time, and throw Error where it can't be had.
struct Services {
  std::function<const Pipeline&()> pipeline;
  std::function<MediaStore&()> store;
  std::function<const SafetyChecker&()> checker;
  const Network& network;
};

class Run {
 public:
  // most_of_pass: how many pictures share a pass; 0: what the pipeline's device makes worth while.
  Run(const TaskOptions& options, const TaskCallbacks& callbacks, const Services& services, Register& known,
      size_t most_of_pass);

  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Throws what the pipeline and the checker throw, Error(io) for the folder, and what a callback throws.
  TaskAnswer answer(std::string_view text);

 private:
  struct Slot {  // a task's place in the answer
    ParsedTask task;
    std::shared_ptr<Record> record = nullptr;
    std::vector<nlohmann::ordered_json> items = {};
    std::vector<TaskError> errors = {};
    bool answered = false;
  };

  // Runs `work` on the media store. Returns false when the store can't be used; store_problem_ says why then, and the
  // store isn't tried again.
  bool with_store(const std::function<void(MediaStore& store)>& work);
  bool is_used(const std::string& uuid);
  void check();
  void check_store(Slot& slot);
  void check_services(Slot& slot) const;
  std::vector<Image> decoded(Slot& slot);
  void check_model(Slot& slot, const std::vector<Image>& references) const;
  void accept();
  void answer_at_once(Slot& slot);
  void upload(Slot& slot);
  void draw();
  size_t most_of_pass() const;
  void draw_pass(const std::vector<Slot*>& pass);
  void answer_later(Slot& slot);
  size_t place_of(const Slot& slot) const;
  void wait_for_posts();
  void fail(Slot& slot, TaskError error);
  void give(Slot& slot, nlohmann::ordered_json item);
  void tell(const char* key, const nlohmann::ordered_json& entry) const;
  void cancel_rest();
  void give_up();
  TaskAnswer assembled();  // the items are moved out of the slots

  const TaskOptions& options_;
  TaskCallbacks callbacks_;
  Services services_;
  Register& known_;
  size_t most_of_pass_;
  PictureSources sources_;
  Posts posts_;
  std::string store_problem_;         // why the media store can't be used
  std::optional<TaskError> problem_;  // of the whole text
  std::vector<Slot> slots_;
  size_t repeated_ = 0;  // bytes of earlier results in the answer
  bool cancelled_ = false;
  std::exception_ptr thrown_;  // by the caller's progress
};

}  // namespace glm::tasks
