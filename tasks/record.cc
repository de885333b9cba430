#include "tasks/record.h"

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "base/uuid.h"
#include "glm/error.h"
#include "tasks/fields.h"
#include "tasks/picture_bytes.h"
#include "tasks/values.h"

namespace glm::tasks {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr const char* kBase64 = "imageBase64Data";
constexpr const char* kDataUri = "imageDataURI";
constexpr const char* kUrl = "imageURL";

StoredTask new_stored(const json& task, size_t results) {
  StoredTask stored;
  stored.uuid = lower_case(task.at("taskUUID"));
  stored.uploads = task.at("taskType") == "imageUpload";
  if (task.contains("ttl")) stored.ttl = static_cast<int64_t>(whole_of(task.at("ttl")));
  for (size_t i = 0; i < results; ++i) stored.pictures.push_back(new_uuid());
  return stored;
}

// The content of a task that the store has, or an empty one where the file was changed by a stranger.
ordered_json content_of(const StoredTask& stored) {
  json checked;  // whose order of keys isn't the file's
  const bool is_json = json_problem(stored.content, {.levels = kMostLevels + 8}, &checked).empty();
  ordered_json content = is_json ? ordered_json::parse(stored.content) : ordered_json();
  const auto has_list = [&](const char* key) { return content.contains(key) && content[key].is_array(); };
  const bool is_whole = content.is_object() && content.contains("task") && content["task"].is_object() &&
                        has_list("results") && has_list("errors");
  if (is_whole && content["task"].contains("taskType") && content["task"]["taskType"].is_string()) return content;
  return {{"task", {{"taskType", "imageInference"}}}, {"results", json::array()}, {"errors", json::array()}};
}

json task_of(const ordered_json& content, const std::string& uuid) {
  json task(content["task"]);
  if (!task.contains("taskUUID") || !task["taskUUID"].is_string()) task["taskUUID"] = uuid;
  return task;
}

}  // namespace

Record::Record(MediaStore& store, const json& task, size_t results)
    : store_(store), task_(task), stored_(new_stored(task, results)) {}

Record::Record(MediaStore& store, const MediaStore::Found& found) : Record(store, found, content_of(found.task)) {}

Record::Record(MediaStore& store, const MediaStore::Found& found, const ordered_json& content)
    : store_(store),
      task_(task_of(content, found.task.uuid)),
      has_ended_(!found.is_running && !found.task.finished),
      stored_(found.task) {
  for (const ordered_json& result : content["results"]) {
    if (!result.is_object() || !result.contains("item") || !result["item"].is_object()) continue;
    const bool has_uuid = result["item"].contains("imageUUID") && result["item"]["imageUUID"].is_string();
    if (has_uuid) results_.push_back({.item = result["item"], .is_kept = result["kept"] == true});
  }
  for (const ordered_json& object : content["errors"]) {
    TaskError error = error_of_json(object);
    if (!error.code.empty()) errors_.push_back(std::move(error));
  }
}

bool Record::claim() {
  stored_.content = content();
  return store_.claim(stored_);
}

std::filesystem::path Record::keep(size_t index, PictureFormat format, std::span<const uint8_t> bytes) {
  return store_.add(stored_, stored_.pictures.at(index), extension_of(format), bytes);
}

void Record::add(ordered_json item, bool is_kept) {
  const std::lock_guard lock(mutex_);
  for (const char* key : {kBase64, kDataUri}) {
    if (is_kept && item.contains(key)) item[key] = "";  // the place where response() puts it
  }
  // The store may be moved.
  if (is_kept && item.value(kUrl, "").starts_with(file_url(store_.folder()))) item[kUrl] = "";
  results_.push_back({.item = std::move(item), .is_kept = is_kept});
  save();
}

void Record::finish() {
  const std::lock_guard lock(mutex_);
  stored_.finished = true;
  save();
}

void Record::fail(const TaskError& error) {
  const std::lock_guard lock(mutex_);
  errors_.push_back(error);
  stored_.finished = true;
  save();
}

std::vector<TaskError> Record::errors() const {
  const std::lock_guard lock(mutex_);
  return errors_;
}

bool Record::is_saved() const {
  const std::lock_guard lock(mutex_);
  return is_saved_ && stored_.finished;
}

std::string Record::content() const {
  ordered_json content = {{"task", task_}, {"results", json::array()}, {"errors", json::array()}};
  for (const Result& result : results_) {
    content["results"].push_back({{"item", result.item}, {"kept", result.is_kept}});
  }
  for (const TaskError& error : errors_) content["errors"].push_back(error.json());
  return json_text(content);
}

void Record::save() {
  is_saved_ = std::all_of(results_.begin(), results_.end(), [](const Result& result) {
    return result.is_kept || !(result.item.contains(kBase64) || result.item.contains(kDataUri));
  });
  stored_.content = content();
  try {
    store_.save(stored_);
  } catch (const Error&) {
    is_saved_ = false;
  }
  stored_.content.clear();
}

TaskError Record::own_error(const std::string& code, const std::string& message) const {
  return {.code = code, .message = message, .task_type = task_.at("taskType"), .task_uuid = uuid()};
}

// Puts a picture's address and bytes where the item has a place for them. Returns false when the store has it no more.
bool Record::give_picture(ordered_json* item) const {
  const auto picture = store_.find(item->at("imageUUID"));
  if (!picture) return false;
  const bool has_place = item->contains(kUrl) && item->at(kUrl).is_string();
  if (has_place && item->at(kUrl).get_ref<const std::string&>().empty()) (*item)[kUrl] = file_url(picture->file);
  if (!item->contains(kBase64) && !item->contains(kDataUri)) return true;
  const auto bytes = store_.use(picture->uuid);
  if (!bytes) return false;
  const PictureFormat format = format_of(picture->file.extension().string().substr(1));
  if (item->contains(kBase64)) (*item)[kBase64] = base64(*bytes);
  if (item->contains(kDataUri)) (*item)[kDataUri] = data_uri(format, *bytes);
  return true;
}

Record::Response Record::response() const {
  const std::lock_guard lock(mutex_);
  Response response{.items = {}, .errors = errors_};
  if (!stored_.finished && !has_ended_) {
    for (const std::string& image : stored_.pictures) {
      response.items.push_back(
          {{"taskType", task_.at("taskType")}, {"taskUUID", uuid()}, {"imageUUID", image}, {"status", "processing"}});
    }
    return response;
  }
  bool has_expired = false;
  try {
    for (const Result& result : results_) {
      ordered_json item = result.item;
      if (result.is_kept && !give_picture(&item)) {
        has_expired = true;
        continue;
      }
      item["status"] = "success";
      response.items.push_back(std::move(item));
    }
  } catch (const Error& e) {
    if (e.code() != ErrorCode::io) throw;
    response.errors.push_back(own_error("serviceUnavailable", e.what()));
  }
  if (has_expired) response.errors.push_back(own_error("taskExpired", "a picture of this task has been deleted"));
  if (has_ended_) {
    response.errors.push_back(
        own_error("inferenceError", "the program that worked on this task has ended; send the task again"));
  }
  return response;
}

std::shared_ptr<Record> Register::add(MediaStore& store, const json& task, size_t results) {
  auto record = std::make_shared<Record>(store, task, results);
  if (!record->claim()) return nullptr;
  const std::lock_guard lock(mutex_);
  records_[lower_case(record->uuid())] = record;
  return record;
}

std::shared_ptr<Record> Register::find(MediaStore& store, const std::string& uuid) const {
  {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(lower_case(uuid));
    if (found != records_.end()) return found->second;
  }
  auto stored = store.find_task(uuid);
  return stored ? std::make_shared<Record>(store, *stored) : nullptr;
}

void Register::release(const Record& record) {
  if (!record.is_saved()) return;
  const std::lock_guard lock(mutex_);
  records_.erase(lower_case(record.uuid()));
}

}  // namespace glm::tasks
