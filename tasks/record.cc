#include "tasks/record.h"

#include <utility>

#include "base/uuid.h"
#include "tasks/values.h"

namespace glm::tasks {

using nlohmann::ordered_json;

Record::Record(nlohmann::json task, size_t results) : task_(std::move(task)) {
  for (size_t i = 0; i < results; ++i) image_uuids_.push_back(new_uuid());
}

void Record::add(ordered_json item) {
  const std::lock_guard lock(mutex_);
  items_.push_back(std::move(item));
}

void Record::finish(std::optional<TaskError> error) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
  finished_ = true;
}

Record::Response Record::response() const {
  const std::lock_guard lock(mutex_);
  Response response{.items = {}, .error = error_};
  if (finished_) {
    for (ordered_json item : items_) {
      item["status"] = "success";
      response.items.push_back(std::move(item));
    }
    return response;
  }
  for (const std::string& image : image_uuids_) {
    response.items.push_back(
        {{"taskType", task_.at("taskType")}, {"taskUUID", uuid()}, {"imageUUID", image}, {"status", "processing"}});
  }
  return response;
}

std::shared_ptr<Record> Register::add(const nlohmann::json& task, size_t results) {
  auto record = std::make_shared<Record>(task, results);
  const std::lock_guard lock(mutex_);
  return records_.emplace(lower_case(record->uuid()), record).second ? record : nullptr;
}

std::shared_ptr<Record> Register::find(const std::string& uuid) const {
  const std::lock_guard lock(mutex_);
  const auto found = records_.find(lower_case(uuid));
  return found == records_.end() ? nullptr : found->second;
}

}  // namespace glm::tasks
