#include "tasks/posts.h"

#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "glm/encode.h"
#include "glm/error.h"
#include "tasks/picture_bytes.h"
#include "tasks/values.h"

namespace glm::tasks {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kWebhook = "webhookURL";
constexpr const char* kUpload = "uploadEndpoint";

TaskError address_error(const std::string& code, const std::string& field, const std::string& problem) {
  return {.code = code, .message = field + ": " + problem, .parameter = field, .type = "string"};
}

}  // namespace

Posts::Posts(const Network& network, const CancelToken* cancel) : deliveries_(network, cancel) {}

std::vector<TaskError> Posts::problems(const Network& network, const json& task) {
  std::vector<TaskError> all;
  for (const char* field : {kWebhook, kUpload}) {
    if (!task.contains(field)) continue;
    try {
      network.check(task.at(field));
    } catch (const Error& e) {
      all.push_back(address_error(code_of("invalid", field), field, e.what()));
    }
  }
  return all;
}

// A tag is twice the task's place, and one more for an upload.
void Posts::post(size_t place, const json& task, const char* key, const ordered_json& entry) {
  if (!task.contains(kWebhook)) return;
  const std::string body = json_text(ordered_json{{key, ordered_json::array({entry})}});
  const auto bytes = as_bytes(body);
  add({.method = SendMethod::post,
       .url = task.at(kWebhook),
       .content_type = "application/json",
       .body = {bytes.begin(), bytes.end()},
       .tag = 2 * place});
}

void Posts::put(size_t place, const json& task, const std::vector<uint8_t>& file) {
  if (!task.contains(kUpload)) return;
  add({.method = SendMethod::put,
       .url = task.at(kUpload),
       .content_type = media_type(format_of(task.value("outputFormat", "JPG"))),
       .body = file,
       .tag = 2 * place + 1});
}

// Where the system gives no thread to send with, that is a failure like any other.
void Posts::add(Delivery delivery) {
  const size_t tag = delivery.tag;
  try {
    deliveries_.add(std::move(delivery));
  } catch (const Error& e) {
    not_added_.push_back({.tag = tag, .problem = e.what()});
  }
}

std::vector<Posts::Failed> Posts::wait() {
  std::vector<Failure> failures = deliveries_.wait();
  failures.insert(failures.end(), not_added_.begin(), not_added_.end());
  not_added_.clear();
  std::vector<Failed> all;
  for (const Failure& failure : failures) {
    const bool is_upload = failure.tag % 2 == 1;
    all.push_back({.place = failure.tag / 2,
                   .error = address_error(is_upload ? "uploadFailed" : "webhookFailed", is_upload ? kUpload : kWebhook,
                                          failure.problem)});
  }
  return all;
}

}  // namespace glm::tasks
