#include "tasks/run.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <utility>

#include "base/json.h"
#include "base/uuid.h"
#include "glm/picture_file.h"
#include "tasks/picture_bytes.h"
#include "tasks/values.h"

namespace glm::tasks {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr size_t kMostOfPass = 16;                   // pictures whose tokens our kernels write together
constexpr size_t kMostRepeated = size_t{128} << 20;  // bytes of an answer that getResponse and getTaskDetails add
constexpr int64_t kLongestUpload = 2048;             // pixels of a side

size_t results_of(const ParsedTask& task) {
  return task.object.contains("numberResults") ? whole_of(task.object.at("numberResults")) : 1;
}

}  // namespace

Run::Run(const TaskOptions& options, const TaskCallbacks& callbacks, const Services& services, Register& known,
         size_t most_of_pass)
    : options_(options),
      callbacks_(callbacks),
      services_(services),
      known_(known),
      most_of_pass_(most_of_pass),
      sources_(services.network, services.store, callbacks.cancel),
      posts_(services.network, callbacks.cancel) {
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

Run::~Run() {
  for (const Slot& slot : slots_) {
    if (slot.record != nullptr) known_.release(*slot.record);
  }
}

TaskAnswer Run::answer(std::string_view text) {
  Parsed parsed = parse_tasks(text, task_types(options_.model), [&](const std::string& uuid) { return is_used(uuid); });
  if (parsed.problem) {
    problem_ = std::move(parsed.problem);
    tell("errors", problem_->json());
    return assembled();
  }
  for (ParsedTask& task : parsed.tasks) {
    slots_.push_back({.task = std::move(task)});
    if (slots_.back().task.error) slots_.back().errors.push_back(*slots_.back().task.error);
  }
  try {
    check();
    accept();
    for (Slot& slot : slots_) answer_at_once(slot);
    draw();
    wait_for_posts();
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

// From here on the good tasks are known under their UUIDs.
void Run::accept() {
  for (Slot& slot : slots_) {
    if (slot.errors.empty() && (slot.task.draws() || slot.task.uploads())) {
      const bool has_store = with_store(
          [&](MediaStore& store) { slot.record = known_.add(store, slot.task.object, results_of(slot.task)); });
      if (!has_store) {
        slot.errors.push_back(slot.task.error_of("serviceUnavailable", store_problem_));
      } else if (slot.record == nullptr) {  // another call or program has brought the same one meanwhile
        slot.errors.push_back(slot.task.error_of(
            "conflictTaskUUID", "taskUUID: expected a new one for each task, found one that is already used",
            "taskUUID", "string"));
      }
    }
    slot.answered = !slot.errors.empty();
    for (const TaskError& error : slot.errors) tell("errors", error.json());
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
  } else if (task.draws() && is_async(task.object)) {
    item["taskUUID"] = task.uuid;
    give(slot, std::move(item));
    return;  // it isn't drawn yet
  } else {
    if (task.uploads()) upload(slot);
    return;
  }
  give(slot, std::move(item));
  slot.answered = true;
}

void Run::upload(Slot& slot) {
  slot.answered = true;
  try {
    const Image image = shrunk(decode_picture(*sources_.find(slot.task.picture()).bytes), kLongestUpload);
    const std::filesystem::path file =
        slot.record->keep(0, PictureFormat::png, encode_picture(image, PictureFormat::png, 100, {}));
    ordered_json item = {{"taskType", slot.task.type},
                         {"taskUUID", slot.task.uuid},
                         {"imageUUID", slot.record->image_uuids().at(0)},
                         {"imageURL", file_url(file)}};
    slot.record->add(item, /*is_kept=*/true);
    slot.record->finish();
    slot.items.push_back(std::move(item));
  } catch (const Error& e) {
    return fail(slot, slot.task.error_of("processingFailed", e.what()));
  }
  tell("data", slot.items.back());
}

void Run::draw() {
  std::vector<Slot*> pass;
  size_t pictures = 0;
  const auto draw_pass_now = [&] {
    if (!pass.empty()) draw_pass(pass);
    pass.clear();
    pictures = 0;
  };
  for (Slot& slot : slots_) {
    if (slot.answered) continue;
    if (!slot.task.draws()) {
      const auto target = known_.find(services_.store(), slot.task.uuid);
      const bool waits = std::any_of(pass.begin(), pass.end(), [&](const Slot* s) { return s->record == target; });
      if (waits) draw_pass_now();
      answer_later(slot);
      continue;
    }
    const size_t own = results_of(slot.task);
    const bool alone = !slot.task.picture().empty();
    const size_t most = most_of_pass();
    if (alone || pictures + own > most) draw_pass_now();
    pass.push_back(&slot);
    pictures += own;
    if (alone || pictures >= most) draw_pass_now();
  }
  draw_pass_now();
}

size_t Run::most_of_pass() const {
  if (most_of_pass_ > 0) return most_of_pass_;
  return services_.pipeline().device() == "cpu" ? 1 : kMostOfPass;
}

void Run::draw_pass(const std::vector<Slot*>& pass) {
  std::vector<Job> jobs;
  jobs.reserve(pass.size());
  for (const Slot* slot : pass) {
    jobs.push_back({.record = slot->record, .request = request_of(slot->task.object)});
    const std::string picture = slot->task.picture();
    if (!picture.empty()) jobs.back().reference = *sources_.find(picture).bytes;
  }
  std::vector<Job*> all;
  all.reserve(jobs.size());
  for (Job& job : jobs) all.push_back(&job);
  const Drawing drawing(services_.pipeline(), options_, callbacks_, services_.checker,
                        [&](const Job& job, const ordered_json& item, const std::vector<uint8_t>& file) {
                          Slot& slot = **std::find_if(pass.begin(), pass.end(),
                                                      [&](const Slot* s) { return s->record == job.record; });
                          const size_t place = place_of(slot);
                          posts_.post(place, slot.task.object, "data", item);
                          if (!file.empty()) posts_.put(place, slot.task.object, file);
                          if (!is_async(slot.task.object)) give(slot, item);
                        });
  drawing.draw(all, /*one_by_one=*/most_of_pass() == 1);
  for (Slot* slot : pass) {
    slot->answered = true;
    for (const TaskError& error : slot->record->errors()) {
      posts_.post(place_of(*slot), slot->task.object, "errors", error.json());
      slot->errors.push_back(error);
      tell("errors", error.json());
    }
  }
}

size_t Run::place_of(const Slot& slot) const {
  return static_cast<size_t>(&slot - slots_.data());
}

// What wasn't delivered is told here, and not by getResponse: a client takes an error there for the loss of the
// picture.
void Run::wait_for_posts() {
  for (Posts::Failed& failed : posts_.wait()) {
    Slot& slot = slots_[failed.place];
    failed.error.task_type = slot.task.type;
    failed.error.task_uuid = slot.task.uuid;
    tell("errors", failed.error.json());
    slot.errors.push_back(std::move(failed.error));
  }
}

// getResponse and getTaskDetails.
void Run::answer_later(Slot& slot) {
  slot.answered = true;
  const std::shared_ptr<Record> target = known_.find(services_.store(), slot.task.uuid);
  // A task that stands behind this one hasn't been asked for yet.
  const bool is_later = std::any_of(slots_.begin() + static_cast<std::ptrdiff_t>(place_of(slot)), slots_.end(),
                                    [&](const Slot& later) { return later.record == target; });
  if (target == nullptr || is_later) {
    fail(slot, slot.task.error_of("taskNotFound", "taskUUID: expected that of an earlier task, found an unknown one",
                                  "taskUUID", "string"));
    return;
  }
  Record::Response response = target->response();
  for (const ordered_json& item : response.items) repeated_ += json_text(item).size();
  if (slot.task.type == "getTaskDetails") repeated_ += json_text(target->task()).size();
  if (repeated_ > kMostRepeated) {
    fail(slot, slot.task.error_of(
                   "maxPayloadExceeded",
                   "expected at most " + std::to_string(kMostRepeated) +
                       " bytes of earlier results in an answer, found more; ask for them in calls of their own"));
    return;
  }
  if (slot.task.type == "getResponse") {
    for (ordered_json& item : response.items) give(slot, std::move(item));
    for (TaskError& error : response.errors) fail(slot, std::move(error));
    return;
  }
  ordered_json answer = ordered_json::object();
  if (!response.items.empty() || response.errors.empty()) answer["data"] = response.items;
  for (const TaskError& error : response.errors) answer["errors"].push_back(error.json());
  give(slot, {{"taskType", slot.task.type},
              {"taskUUID", slot.task.uuid},
              {"request", ordered_json::array({ordered_json(target->task())})},
              {"response", answer}});
}

void Run::fail(Slot& slot, TaskError error) {
  if (slot.record != nullptr) slot.record->fail(error);
  tell("errors", error.json());
  slot.errors.push_back(std::move(error));
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
  wait_for_posts();
  for (Slot& slot : slots_) {
    if (slot.answered || !slot.errors.empty()) continue;
    const std::string found = std::to_string(slot.items.size()) + " of " + std::to_string(results_of(slot.task));
    const bool counts = slot.task.draws() && !is_async(slot.task.object);
    fail(slot, slot.task.error_of("taskCancelled",
                                  "cancelled" + (counts ? "; " + found + " results are there" : std::string())));
  }
}

// The call ends without an answer. Those who ask for its tasks later get an error.
void Run::give_up() {
  for (const Slot& slot : slots_) {
    if (slot.record != nullptr && !slot.answered) {
      slot.record->fail(slot.task.error_of("inferenceError", "the call that this task came with has ended without it"));
    }
  }
}

TaskAnswer Run::assembled() {
  TaskAnswer answer{.json = "", .failed = 0, .cancelled = cancelled_};
  ordered_json data = ordered_json::array();
  ordered_json errors = ordered_json::array();
  if (problem_) errors.push_back(problem_->json());
  answer.failed = problem_ ? 1 : 0;
  for (Slot& slot : slots_) {
    for (ordered_json& item : slot.items) data.push_back(std::move(item));
    for (const TaskError& error : slot.errors) errors.push_back(error.json());
    answer.failed += slot.errors.empty() ? 0 : 1;
  }
  ordered_json whole = ordered_json::object();
  if (!data.empty() || errors.empty()) whole["data"] = std::move(data);
  if (!errors.empty()) whole["errors"] = std::move(errors);
  answer.json = json_text(whole);
  return answer;
}

}  // namespace glm::tasks
