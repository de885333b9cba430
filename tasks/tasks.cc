#include "glm/tasks.h"

#include <mutex>
#include <system_error>
#include <utility>

#include "base/guarded.h"
#include "base/limits.h"
#include "base/process_mark.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/media.h"
#include "media/store.h"
#include "network/network.h"
#include "tasks/fields.h"
#include "tasks/record.h"
#include "tasks/run.h"
#include "tasks/schema.h"

namespace glm {
namespace {

std::string written(const nlohmann::ordered_json& schema) {
  return schema.dump(2, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace) + "\n";
}

// What is made when it is first asked for. Whoever asks meanwhile waits.
template <typename Pointer>
class Lazy {
 public:
  template <typename Make>
  auto& get(const Make& make) {
    const std::lock_guard lock(mutex_);
    if (made_ == nullptr) made_ = make();
    if (made_ == nullptr) refuse("load", "a pipeline", "none");
    return *made_;
  }

 private:
  std::mutex mutex_;
  Pointer made_;  // guarded by it
};

}  // namespace

struct Tasks::Session {
  ProcessMark process;
  std::function<std::shared_ptr<const Pipeline>()> load;
  TaskOptions options;
  tasks::Register known;
  std::unique_ptr<const Network> network;
  Lazy<std::shared_ptr<const Pipeline>> pipeline;
  Lazy<std::unique_ptr<const SafetyChecker>> checker;
  Lazy<std::unique_ptr<MediaStore>> store;

  tasks::Services services() {
    return {.pipeline = [this]() -> const Pipeline& { return pipeline.get(load); },
            .store = [this]() -> MediaStore& {
              return store.get([this] { return std::make_unique<MediaStore>(options.media); });
            },
            .checker = [this]() -> const SafetyChecker& {
              return checker.get([this] {
                return std::make_unique<const SafetyChecker>(options.safety_model, options.safety_options);
              });
            },
            .network = *network};
  }
};

Tasks::Tasks(std::function<std::shared_ptr<const Pipeline>()> load, TaskOptions options)
    : session_(std::make_shared<Session>()) {
  for (const double price : {options.token_price, options.step_price}) {
    if (price >= 0 && price <= limits::kMaxPrice) continue;
    refuse("token_price and step_price", "0 to " + number_text(limits::kMaxPrice), number_text(price));
  }
  if (options.media.empty()) options.media = default_media_folder();
  if (options.media.empty()) refuse("media", "a folder's name, as no home folder is known", "none");
  std::error_code failed;
  const auto place = [&](const std::filesystem::path& folder) {
    return std::filesystem::weakly_canonical(folder, failed);
  };
  if (!options.folder.empty() && place(options.folder) == place(options.media)) {
    refuse("folder", "another one than the media store's", options.folder.string());
  }
  session_->network = std::make_unique<const Network>(options.allowed_hosts);
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
    tasks::Run run(session->options, callbacks, session->services(), session->known, /*most_of_pass=*/0);
    return run.answer(tasks);
  });
}

std::string task_schema(const std::string& model) {
  return guarded([&] { return written(tasks::schema_of(tasks::task_types(model))); });
}

std::string task_answer_schema() {
  return guarded([] { return written(tasks::answer_schema()); });
}

}  // namespace glm
