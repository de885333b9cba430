#include "tasks/run.h"

#include <cxxabi.h>

#include <algorithm>
#include <exception>
#include <system_error>
#include <utility>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/refuse.h"
#include "base/uuid.h"
#include "tasks/picture_bytes.h"
#include "tasks/values.h"

namespace glm::tasks {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr size_t kMostOfPass = 16;                   // pictures whose tokens our kernels write together
constexpr size_t kMostRepeated = size_t{128} << 20;  // bytes of an answer that getResponse and getTaskDetails add
constexpr int64_t kLongestUpload = 2048;             // pixels of a side

bool draws(const ParsedTask& task) {
  return task.type == "imageInference";
}
bool uploads(const ParsedTask& task) {
  return task.type == "imageUpload";
}
bool is_async(const ParsedTask& task) {
  return task.object.value("deliveryMethod", "sync") == "async";
}
size_t results_of(const ParsedTask& task) {
  return task.object.contains("numberResults") ? whole_of(task.object.at("numberResults")) : 1;
}
// The picture that a task starts from, as a text; or "".
std::string picture_text(const ParsedTask& task) {
  if (uploads(task)) return task.object.at("image");
  const std::vector<std::string> all = reference_texts(task.object);
  return all.empty() ? "" : all[0];
}

TaskError error_of(const ParsedTask& task, const std::string& code, const std::string& message,
                   const std::string& parameter = "", const std::string& type = "") {
  return {.code = code,
          .message = message,
          .parameter = parameter,
          .type = type,
          .task_type = task.type,
          .task_uuid = task.uuid};
}

void prepare_folder(const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) refuse_to_write(folder, problem.message());
  check_place(folder / (new_uuid() + ".jpg"));
}

}  // namespace

Run::Run(const TaskOptions& options, const TaskCallbacks& callbacks, Register& known, size_t most_of_pass)
    : options_(options), callbacks_(callbacks), known_(known), most_of_pass_(most_of_pass) {
  if (!callbacks_.progress) return;
  // What the caller throws ends the call. The engine can't tell it from an error of its own.
  callbacks_.progress = [this, given = callbacks.progress](Stage stage, int64_t done, int64_t total) {
    try {
      given(stage, done, total);
    } catch (const abi::__forced_unwind&) {  // pthread_exit() in the callback
      throw;
    } catch (...) {
      thrown_ = std::current_exception();
      throw Error(ErrorCode::cancelled, "the caller's callback threw");
    }
  };
}

TaskAnswer Run::answer(std::string_view text, const Load& load) {
  Parsed parsed = parse_tasks(text, task_types(options_.model),
                              [&](const std::string& uuid) { return known_.find(uuid) != nullptr; });
  if (parsed.problem) {
    problem_ = std::move(parsed.problem);
    tell("errors", problem_->json());
    return assembled();
  }
  for (ParsedTask& task : parsed.tasks) slots_.push_back({.task = std::move(task)});
  try {
    check(load);
    accept();
    for (Slot& slot : slots_) answer_at_once(slot);
    draw(load);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::cancelled || thrown_) give_up();
    if (thrown_) std::rethrow_exception(thrown_);
    if (e.code() != ErrorCode::cancelled) throw;
    cancel_rest();
  } catch (...) {  // of the caller's `result`
    give_up();
    throw;
  }
  return assembled();
}

// Finds all that is wrong with the tasks before one of them starts.
void Run::check(const Load& load) {
  bool writes = false;
  for (Slot& slot : slots_) {
    if (callbacks_.cancel != nullptr && callbacks_.cancel->cancelled()) throw Error(ErrorCode::cancelled, "cancelled");
    const std::vector<Image> pictures = slot.task.error ? std::vector<Image>() : decoded(slot);
    if (!slot.task.error && draws(slot.task)) check_model(slot, pictures, load());
    if (slot.task.error) continue;
    writes = writes || uploads(slot.task) || (draws(slot.task) && wants_output(slot.task.object, "URL"));
  }
  if (writes) prepare_folder(options_.folder);
}

// Returns the picture that a task comes with, if any. The task has an error when that is none.
std::vector<Image> Run::decoded(Slot& slot) {
  const std::string picture = picture_text(slot.task);
  if (picture.empty()) return {};
  try {
    return {picture_of_text(picture)};
  } catch (const Error& e) {
    const bool is_upload = uploads(slot.task);
    const std::string path = is_upload ? "image" : "inputs.referenceImages";
    slot.task.error =
        error_of(slot.task, code_of("invalid", path), path + ": " + e.what(), path, is_upload ? "string" : "array");
    return {};
  }
}

void Run::check_model(Slot& slot, const std::vector<Image>& references, const Pipeline& pipeline) {
  try {
    Request request = request_of(slot.task.object);
    request.references = references;
    pipeline.check(request);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::usage) throw;
    slot.task.error = error_of(slot.task, "invalidPositivePrompt", std::string("positivePrompt: ") + e.what(),
                               "positivePrompt", "string");
  }
}

// From here on the good tasks are known under their UUIDs.
void Run::accept() {
  for (Slot& slot : slots_) {
    if (!slot.task.error && (draws(slot.task) || uploads(slot.task))) {
      slot.record = known_.add(slot.task.object, results_of(slot.task));
      if (slot.record == nullptr) {  // another call has brought the same one meanwhile
        slot.task.error = error_of(slot.task, "conflictTaskUUID",
                                   "taskUUID: expected a new one for each task, found one that is already used",
                                   "taskUUID", "string");
      }
    }
    if (slot.task.error) {
      slot.answered = true;
      tell("errors", slot.task.error->json());
    }
  }
}

void Run::answer_at_once(Slot& slot) {
  if (slot.answered) return;
  const ParsedTask& task = slot.task;
  ordered_json item = {{"taskType", task.type}};
  if (task.type == "ping") {
    if (!task.uuid.empty()) item["taskUUID"] = task.uuid;
    item["pong"] = true;
  } else if (task.type == "authentication") {
    item["connectionSessionUUID"] = new_uuid();
  } else if (draws(task) && is_async(task)) {
    item["taskUUID"] = task.uuid;
    give(slot, std::move(item));
    return;  // it isn't drawn yet
  } else {
    if (uploads(task)) upload(slot);
    return;
  }
  give(slot, std::move(item));
  slot.answered = true;
}

void Run::upload(Slot& slot) {
  slot.answered = true;
  try {
    const Image image = shrunk(picture_of_text(slot.task.object.at("image")), kLongestUpload);
    const std::string& uuid = slot.record->image_uuids().at(0);
    const std::filesystem::path file = options_.folder / (uuid + ".png");
    const std::vector<uint8_t> bytes = encode_picture(image, PictureFormat::png, 100, {});
    write_file(file, bytes_writer(bytes));
    ordered_json item = {
        {"taskType", slot.task.type}, {"taskUUID", slot.task.uuid}, {"imageUUID", uuid}, {"imageURL", file_url(file)}};
    slot.record->add(item);
    slot.record->finish(std::nullopt);
    give(slot, std::move(item));
  } catch (const Error& e) {
    fail(slot, error_of(slot.task, "processingFailed", e.what()));
  }
}

void Run::draw(const Load& load) {
  std::vector<Slot*> pass;
  size_t pictures = 0;
  const auto draw_pass_now = [&] {
    if (!pass.empty()) draw_pass(load(), pass);
    pass.clear();
    pictures = 0;
  };
  for (Slot& slot : slots_) {
    if (slot.answered) continue;
    if (!draws(slot.task)) {
      const auto target = known_.find(slot.task.uuid);
      const bool waits = std::any_of(pass.begin(), pass.end(), [&](const Slot* s) { return s->record == target; });
      if (waits) draw_pass_now();
      answer_later(slot);
      continue;
    }
    const size_t own = results_of(slot.task);
    const bool alone = !picture_text(slot.task).empty();
    const size_t most = most_of_pass_ > 0 ? most_of_pass_ : load().device() == "cpu" ? 1 : kMostOfPass;
    if (alone || pictures + own > most) draw_pass_now();
    pass.push_back(&slot);
    pictures += own;
    if (alone || pictures >= most) draw_pass_now();
  }
  draw_pass_now();
}

void Run::draw_pass(const Pipeline& pipeline, const std::vector<Slot*>& pass) {
  std::vector<Job> jobs;
  jobs.reserve(pass.size());
  for (const Slot* slot : pass) {
    jobs.push_back(
        {.record = slot->record, .request = request_of(slot->task.object), .reference = picture_text(slot->task)});
  }
  std::vector<Job*> all;
  all.reserve(jobs.size());
  for (Job& job : jobs) all.push_back(&job);
  const Drawing drawing(pipeline, options_, callbacks_, [&](const Job& job, const ordered_json& item) {
    Slot& slot = **std::find_if(pass.begin(), pass.end(), [&](const Slot* s) { return s->record == job.record; });
    if (!is_async(slot.task)) give(slot, item);
  });
  drawing.draw(all);
  for (Slot* slot : pass) {
    slot->answered = true;
    slot->task.error = slot->record->response().error;
    if (slot->task.error) tell("errors", slot->task.error->json());
  }
}

// getResponse and getTaskDetails.
void Run::answer_later(Slot& slot) {
  slot.answered = true;
  const std::shared_ptr<Record> target = known_.find(slot.task.uuid);
  // A task that stands behind this one hasn't been asked for yet.
  const bool is_later = std::any_of(slots_.begin() + (&slot - slots_.data()), slots_.end(),
                                    [&](const Slot& later) { return later.record == target; });
  if (target == nullptr || is_later) {
    fail(slot, error_of(slot.task, "taskNotFound", "taskUUID: expected that of an earlier task, found an unknown one",
                        "taskUUID", "string"));
    return;
  }
  Record::Response response = target->response();
  for (const ordered_json& item : response.items) repeated_ += json_text(item).size();
  if (slot.task.type == "getTaskDetails") repeated_ += json_text(target->task()).size();
  if (repeated_ > kMostRepeated) {
    fail(slot, error_of(slot.task, "maxPayloadExceeded",
                        "expected at most " + std::to_string(kMostRepeated) +
                            " bytes of earlier results in an answer, found more; ask for them in calls of their own"));
    return;
  }
  if (slot.task.type == "getResponse") {
    for (ordered_json& item : response.items) give(slot, std::move(item));
    if (response.error) fail(slot, *response.error);
    return;
  }
  ordered_json answer = ordered_json::object();
  if (!response.items.empty() || !response.error) answer["data"] = response.items;
  if (response.error) answer["errors"] = {response.error->json()};
  give(slot, {{"taskType", slot.task.type},
              {"taskUUID", slot.task.uuid},
              {"request", ordered_json::array({ordered_json(target->task())})},
              {"response", answer}});
}

void Run::fail(Slot& slot, TaskError error) {
  slot.task.error = std::move(error);
  if (slot.record != nullptr) slot.record->finish(slot.task.error);
  tell("errors", slot.task.error->json());
}

void Run::give(Slot& slot, ordered_json item) {
  tell("data", item);
  slot.items.push_back(std::move(item));
}

void Run::tell(const char* key, const ordered_json& entry) const {
  if (callbacks_.result) callbacks_.result(json_text(ordered_json{{key, ordered_json::array({entry})}}));
}

void Run::cancel_rest() {
  cancelled_ = true;
  for (Slot& slot : slots_) {
    if (slot.answered || slot.task.error) continue;
    const std::string found = std::to_string(slot.items.size()) + " of " + std::to_string(results_of(slot.task));
    const bool counts = draws(slot.task) && !is_async(slot.task);
    fail(slot, error_of(slot.task, "taskCancelled",
                        "cancelled" + (counts ? "; " + found + " results are there" : std::string())));
  }
}

// The call ends without an answer. Those who ask for its tasks later get an error.
void Run::give_up() {
  for (const Slot& slot : slots_) {
    if (slot.record != nullptr && !slot.answered) {
      slot.record->finish(
          error_of(slot.task, "inferenceError", "the call that this task came with has ended without it"));
    }
  }
}

TaskAnswer Run::assembled() const {
  TaskAnswer answer{.json = "", .failed = 0, .cancelled = cancelled_};
  ordered_json data = ordered_json::array();
  ordered_json errors = ordered_json::array();
  if (problem_) errors.push_back(problem_->json());
  for (const Slot& slot : slots_) {
    for (const ordered_json& item : slot.items) data.push_back(item);
    if (slot.task.error) errors.push_back(slot.task.error->json());
  }
  answer.failed = static_cast<int64_t>(errors.size());
  ordered_json whole = ordered_json::object();
  if (!data.empty() || errors.empty()) whole["data"] = std::move(data);
  if (!errors.empty()) whole["errors"] = std::move(errors);
  answer.json = json_text(whole);
  return answer;
}

}  // namespace glm::tasks
