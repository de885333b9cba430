// The task interface: an array of tasks in JSON comes in, an object of results and errors goes out, as hosted services
// of this model have it. README.md, "Tasks", says what a task may hold; task_schema() says it to a machine.
//
//   glm::Tasks tasks([&] { return pipeline; }, {.folder = "drawn"});
//   glm::TaskAnswer answer = tasks.run(R"([{"taskType": "imageInference", …}])", {});
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "glm/api.h"
#include "glm/cancel.h"
#include "glm/error.h"
#include "glm/pipeline.h"
#include "glm/request.h"
#include "glm/safety.h"

namespace glm {

struct TaskOptions {
  std::filesystem::path media = {};   // the media store (glm/media.h); empty: default_media_folder()
  std::filesystem::path folder = {};  // where pictures are written, too, whose outputType is URL; empty: nowhere
  std::string model = {};             // a name that the field `model` takes beside the contract's own
  // What `cost` counts, in whatever currency: for each token of a picture, and for each million pixels of each step.
  double token_price = 0;
  double step_price = 0;
  // The hosts that tasks may reach: HOST or HOST:PORT, such as "example.com" or "127.0.0.1:8080". Addresses that aren't
  // public have to be named themselves. Without any no task reaches the network.
  std::vector<std::string> allowed_hosts = {};
  std::filesystem::path safety_model = {};  // the model that checks pictures (glm/safety.h); empty: none
  SafetyOptions safety_options = {};
};

// Functions that a call calls back, on the thread of the call or of the pipeline. Each may be empty. An exception that
// a callback throws ends the call.
struct TaskCallbacks {
  // As Callbacks::progress has it, for the pictures that are being drawn.
  std::function<void(Stage stage, int64_t done, int64_t total)> progress;
  // Gets {"data":[item]} or {"errors":[error]} as soon as the item or the error is known. Items are those of the
  // answer. Acknowledgements come before the first picture is drawn.
  std::function<void(const std::string& line)> result;
  const CancelToken* cancel = nullptr;
};

struct TaskAnswer {
  std::string json;        // {"data":[…]}, {"errors":[…]}, or both; the items in the tasks' order
  int64_t failed = 0;      // tasks with an error
  bool cancelled = false;  // the call was cancelled: finished results are in the answer, the other tasks have an error
};

// Answers tasks, and remembers them in the media store: getResponse and getTaskDetails ask for tasks of earlier calls,
// and of other programs, too. Its functions may be called from any thread. Calls whose pictures are drawn by the same
// pipeline wait for each other there.
class GLM_API Tasks {
 public:
  // load: returns the pipeline that draws, or throws Error. It is called once, when a task first needs a model. The
  // media store is opened, and the safety model loaded, when a task first needs them. Throws Error(usage) for prices
  // outside 0 to 1e9, a host that is none, a folder that is the media store's, and where no media folder is given and
  // no home folder is known.
  Tasks(std::function<std::shared_ptr<const Pipeline>()> load, TaskOptions options);
  ~Tasks();
  Tasks(Tasks&&) noexcept;
  Tasks& operator=(Tasks&&) noexcept;

  // Answers an array of tasks, UTF-8. All tasks are checked before the first one starts. What is wrong with a task is
  // in the answer and stops no other task; so is a media store that can't be used. Throws what `load` and SafetyChecker
  // throw, and Error(io) when the folder can't be written, before anything is drawn, and Error(usage) in a child that a
  // fork has made. Waits until all pictures are drawn and sent where they are wanted.
  TaskAnswer run(std::string_view tasks, const TaskCallbacks& callbacks) const;

 private:
  struct Session;
  std::shared_ptr<Session> session_;
};

// The JSON Schema (2020-12) of an array of tasks, and that of an answer. model: as TaskOptions has it.
GLM_API std::string task_schema(const std::string& model);
GLM_API std::string task_answer_schema();

}  // namespace glm
