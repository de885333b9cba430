#include "glm/tasks.h"

#include <cxxabi.h>

#include <exception>
#include <mutex>
#include <new>
#include <utility>

#include "base/limits.h"
#include "base/own_arithmetic.h"
#include "base/process_mark.h"
#include "base/refuse.h"
#include "base/text.h"
#include "tasks/fields.h"
#include "tasks/record.h"
#include "tasks/run.h"
#include "tasks/schema.h"

namespace glm {
namespace {

// Runs a public call. Throws nothing but Error.
template <typename Call>
auto guarded(Call call) {
  const OwnArithmetic arithmetic;
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    refuse(ErrorCode::memory, "", "memory for the tasks", "too little", "give fewer tasks at once");
  } catch (const abi::__forced_unwind&) {  // pthread_exit() in a callback
    throw;
  } catch (const std::exception& e) {
    throw Error(ErrorCode::internal, e.what() != nullptr ? e.what() : "an exception without a text");
  } catch (...) {
    throw Error(ErrorCode::internal, "a callback threw something that is no std::exception");
  }
}

std::string written(const nlohmann::ordered_json& schema) {
  return schema.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

struct Tasks::Session {
  ProcessMark process;
  std::function<std::shared_ptr<const Pipeline>()> load;
  TaskOptions options;
  tasks::Register known;
  std::mutex mutex;  // guards the pipeline; held while it is loaded
  std::shared_ptr<const Pipeline> pipeline;

  const Pipeline& loaded() {
    const std::lock_guard lock(mutex);
    if (pipeline == nullptr) pipeline = load();
    if (pipeline == nullptr) refuse("load", "a pipeline", "none");
    return *pipeline;
  }
};

Tasks::Tasks(std::function<std::shared_ptr<const Pipeline>()> load, TaskOptions options)
    : session_(std::make_shared<Session>()) {
  for (const double price : {options.token_price, options.step_price}) {
    if (price >= 0 && price <= limits::kMaxPrice) continue;
    refuse("token_price and step_price", "0 to " + number_text(limits::kMaxPrice), number_text(price));
  }
  if (options.folder.empty()) refuse("folder", "a folder's name", "none");
  session_->load = std::move(load);
  session_->options = std::move(options);
}
Tasks::~Tasks() = default;
Tasks::Tasks(Tasks&&) noexcept = default;
Tasks& Tasks::operator=(Tasks&&) noexcept = default;

TaskAnswer Tasks::run(std::string_view tasks, const TaskCallbacks& callbacks) const {
  const std::shared_ptr<Session> session = session_;
  if (session == nullptr) refuse("", "tasks with a pipeline", "ones that were moved from");
  if (session->process.is_in_child()) {
    refuse("", "a call in the process that made these tasks", "one in a child that it forked afterwards");
  }
  return guarded([&] {
    tasks::Run run(session->options, callbacks, session->known, /*most_of_pass=*/0);
    return run.answer(tasks, [&]() -> const Pipeline& { return session->loaded(); });
  });
}

std::string task_schema(const std::string& model) {
  return guarded([&] { return written(tasks::schema_of(tasks::task_types(model))); });
}

std::string task_answer_schema() {
  return guarded([] { return written(tasks::answer_schema()); });
}

}  // namespace glm
