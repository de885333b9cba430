// The C interface over glm/tasks.h.
#include "glm/tasks.h"

#include <memory>
#include <new>
#include <string>

#include "api/engine.h"
#include "api/values.h"
#include "base/refuse.h"
#include "glm_image.h"

struct glm_tasks {
  glm_engine engine;  // another handle of the same engine
  glm::Tasks tasks;
};

namespace {

using glm::refuse;
using glm::c::checked_text;
using glm::c::Engine;
using glm::c::guarded;
using glm::c::pipeline_of;
using glm::c::taken;

glm::TaskCallbacks callbacks_of(const glm_task_callbacks& c) {
  glm::TaskCallbacks callbacks;
  if (c.progress != nullptr) {
    callbacks.progress = [c](glm::Stage stage, int64_t done, int64_t total) {
      c.progress(c.user, static_cast<glm_stage>(stage), done, total);
    };
  }
  if (c.result != nullptr) {
    callbacks.result = [c](const std::string& line) { c.result(c.user, line.c_str(), line.size()); };
  }
  callbacks.cancel = c.cancel == nullptr ? nullptr : &c.cancel->token;
  return callbacks;
}

std::string text_or_none(const char* text, const char* name) {
  return text == nullptr ? "" : checked_text(text, name);
}

glm::TaskOptions options_of(const glm_task_options& o) {
  glm::TaskOptions options{.media = text_or_none(o.media, "media"),
                           .folder = text_or_none(o.folder, "folder"),
                           .model = text_or_none(o.model, "model"),
                           .token_price = o.token_price,
                           .step_price = o.step_price,
                           .safety_model = text_or_none(o.safety_model, "safety_model")};
  if (o.allowed_hosts == nullptr && o.allowed_host_count > 0) refuse("allowed_hosts", "an array", "NULL");
  for (size_t i = 0; i < o.allowed_host_count; ++i) {
    options.allowed_hosts.push_back(checked_text(o.allowed_hosts[i], "allowed_hosts"));
  }
  return options;
}

}  // namespace

extern "C" {

void glm_task_options_init(glm_task_options* options) {
  if (options == nullptr) return;
  *options = {};
  options->struct_size = sizeof(glm_task_options);
}

void glm_task_callbacks_init(glm_task_callbacks* callbacks) {
  if (callbacks == nullptr) return;
  *callbacks = {};
  callbacks->struct_size = sizeof(glm_task_callbacks);
}

glm_tasks* glm_tasks_create(glm_engine* engine, const glm_task_options* options) {
  glm_tasks* made = nullptr;
  guarded(engine, [&](Engine& e) {
    const glm_task_options o = taken(options, glm_task_options_init, "glm_task_options");
    // Shares the engine, which owns the pipeline.
    const std::shared_ptr<const glm::Pipeline> shared(engine->engine, &pipeline_of(e));
    made = new glm_tasks{
        .engine = *engine,
        .tasks = glm::Tasks([shared] { return std::shared_ptr<const glm::Pipeline>(shared); }, options_of(o))};
  });
  return made;
}

void glm_tasks_destroy(glm_tasks* tasks) {
  if (tasks != nullptr && !tasks->engine.engine->process.is_in_child()) delete tasks;
}

glm_status glm_tasks_run(glm_tasks* tasks, const char* json, size_t length, const glm_task_callbacks* callbacks) {
  if (tasks == nullptr) return GLM_USAGE;
  bool cancelled = false;
  const glm_status status = guarded(&tasks->engine, [&](Engine&) {
    if (json == nullptr) refuse("json", "an array of tasks", "NULL");
    const glm_task_callbacks c = taken(callbacks, glm_task_callbacks_init, "glm_task_callbacks");
    if (c.answer == nullptr) refuse("answer", "a function", "NULL");
    const glm::TaskAnswer answer = tasks->tasks.run({json, length}, callbacks_of(c));
    c.answer(c.user, answer.json.c_str(), answer.json.size(), answer.failed);
    cancelled = answer.cancelled;
  });
  if (status != GLM_OK || !cancelled) return status;
  glm::c::tell(*tasks->engine.engine, "cancelled; what was finished is in the answer");
  return GLM_CANCELLED;
}

}  // extern "C"
