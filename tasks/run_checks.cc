// What a call looks at before one of its tasks starts.
#include <system_error>
#include <utility>

#include "base/atomic_file.h"
#include "base/refuse.h"
#include "base/uuid.h"
#include "glm/picture_file.h"
#include "tasks/run.h"
#include "tasks/values.h"

namespace glm::tasks {
namespace {

void prepare_folder(const std::filesystem::path& folder) {
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (problem) refuse_to_write(folder, problem.message());
  check_place(folder / (new_uuid() + ".jpg"));
}

}  // namespace

bool Run::with_store(const std::function<void(MediaStore& store)>& work) {
  if (!store_problem_.empty()) return false;
  try {
    work(services_.store());
    return true;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::io) throw;
    store_problem_ = e.what();
    return false;
  }
}

// A store that can't be used is every task's own error, once all of them have been looked at.
bool Run::is_used(const std::string& uuid) {
  bool used = false;
  with_store([&](MediaStore& store) { used = store.is_claimed(uuid); });
  return used;
}

// Finds all that is wrong with the tasks before one of them starts.
void Run::check() {
  bool writes = false;
  for (Slot& slot : slots_) {
    throw_if_cancelled(callbacks_.cancel);
    if (slot.errors.empty() && slot.task.needs_store()) check_store(slot);
    if (slot.errors.empty() && slot.task.draws()) check_services(slot);
    const std::vector<Image> pictures = slot.errors.empty() ? decoded(slot) : std::vector<Image>();
    if (slot.errors.empty() && slot.task.draws()) check_model(slot, pictures);
    writes = writes || (slot.errors.empty() && slot.task.draws() && wants_output(slot.task.object, "URL"));
  }
  if (writes && !options_.folder.empty()) prepare_folder(options_.folder);
}

void Run::check_store(Slot& slot) {
  const bool has_store = with_store([](MediaStore&) {});
  if (!has_store) slot.errors.push_back(slot.task.error_of("serviceUnavailable", store_problem_));
}

// Other machines, and the model that checks pictures.
void Run::check_services(Slot& slot) const {
  for (TaskError& error : Posts::problems(services_.network, slot.task.object)) {
    error.task_type = slot.task.type;
    error.task_uuid = slot.task.uuid;
    slot.errors.push_back(std::move(error));
  }
  if (!wants_check(slot.task.object)) return;
  if (!options_.safety_model.empty()) {
    services_.checker();
    return;
  }
  const bool by_mode = slot.task.object.at("safety").contains("mode");
  const std::string path = by_mode ? "safety.mode" : "safety.checkContent";
  slot.errors.push_back(
      slot.task.error_of("unsupportedParameter",
                         path + ": expected " + (by_mode ? "none" : "false") +
                             ", found a check that is asked for; it needs a model, which --safety-model names",
                         path, by_mode ? "string" : "boolean"));
}

// Returns the picture that a task comes with, if any. The task has an error when that is none.
std::vector<Image> Run::decoded(Slot& slot) {
  const std::string picture = slot.task.picture();
  if (picture.empty()) return {};
  PictureSources::Found found = sources_.find(picture);
  if (found.bytes != nullptr) {
    try {
      return {decode_picture(*found.bytes)};
    } catch (const Error& e) {
      found = {.bytes = nullptr, .code = "invalid", .problem = e.what()};
    }
  }
  const bool is_upload = slot.task.uploads();
  const std::string path = is_upload ? "image" : "inputs.referenceImages";
  slot.errors.push_back(slot.task.error_of(found.code == "invalid" ? code_of("invalid", path) : found.code,
                                           path + ": " + found.problem, path, is_upload ? "string" : "array"));
  return {};
}

void Run::check_model(Slot& slot, const std::vector<Image>& references) const {
  try {
    Request request = request_of(slot.task.object);
    request.references = references;
    services_.pipeline().check(request);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::usage) throw;
    slot.errors.push_back(slot.task.error_of("invalidPositivePrompt", std::string("positivePrompt: ") + e.what(),
                                             "positivePrompt", "string"));
  }
}

}  // namespace glm::tasks
