#include "tasks/drawing.h"

#include <chrono>
#include <cmath>
#include <random>
#include <utility>

#include "base/atomic_file.h"
#include "base/base64.h"
#include "glm/picture_file.h"
#include "tasks/picture_bytes.h"
#include "tasks/values.h"

namespace glm::tasks {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// What a client is told when the engine fails. The codes are chosen so that clients repeat only what may work then.
TaskError failure(const Job& job, const Error& e) {
  TaskError error{
      .code = "inferenceError", .message = e.what(), .task_type = "imageInference", .task_uuid = job.record->uuid()};
  if (e.code() == ErrorCode::io) error.code = "processingFailed";
  if (e.code() == ErrorCode::memory) {
    error.code = "unsupportedDimensions";
    error.parameter = "width";
    error.type = "integer";
  }
  return error;
}

double rounded(double number, double parts) {
  return std::round(number * parts) / parts;
}

// Writes a picture's file and returns its place: in the temporary folder where there is no folder, or where it takes
// the file no more.
std::filesystem::path written(const std::filesystem::path& folder, const std::string& name,
                              const std::vector<uint8_t>& bytes) {
  if (!folder.empty()) {
    try {
      write_file(folder / name, bytes_writer(bytes));
      return folder / name;
    } catch (const Error&) {
      // The temporary folder may take it.
    }
  }
  std::filesystem::path file = std::filesystem::temp_directory_path() / name;
  write_file(file, bytes_writer(bytes));
  return file;
}

}  // namespace

Request request_of(const json& task) {
  Request request;
  request.prompt = task.at("positivePrompt");
  const auto number = [&](const char* key, uint64_t fallback) {
    return task.contains(key) ? whole_of(task.at(key)) : fallback;
  };
  request.width = static_cast<int64_t>(number("width", 1024));
  request.height = static_cast<int64_t>(number("height", 1024));
  request.steps = static_cast<int64_t>(number("steps", 100));
  request.guidance = rounded(task.value("CFGScale", 10.0), 100);
  const uint64_t first = number("seed", std::random_device{}());
  request.seeds.clear();
  for (uint64_t i = 0; i < number("numberResults", 1); ++i) request.seeds.push_back(first + i);
  return request;
}

Drawing::Drawing(const Pipeline& pipeline, const TaskOptions& options, const TaskCallbacks& callbacks, Checker checker,
                 Taken taken)
    : pipeline_(pipeline), options_(options), checker_(std::move(checker)), taken_(std::move(taken)) {
  callbacks_.progress = callbacks.progress;
  callbacks_.cancel = callbacks.cancel;
}

std::vector<std::vector<Tokens>> Drawing::tokens_of(const std::vector<Job*>& jobs) const {
  std::vector<Request> requests;
  requests.reserve(jobs.size());
  for (const Job* job : jobs) requests.push_back(job->request);
  return pipeline_.tokens(requests, callbacks_);
}

void Drawing::draw(const std::vector<Job*>& jobs, bool one_by_one) const {
  const Clock::time_point begin = Clock::now();
  std::vector<std::vector<Tokens>> tokens;
  try {
    for (Job* job : jobs) {
      if (!job->reference.empty()) job->request.references = {decode_picture(job->reference)};
    }
    tokens = one_by_one ? std::vector<std::vector<Tokens>>(jobs.size()) : tokens_of(jobs);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::cancelled) throw;
    if (jobs.size() == 1) return jobs[0]->record->fail(failure(*jobs[0], e));
    for (Job* job : jobs) draw({job}, one_by_one);  // what is wrong with one is no reason for another to fail
    return;
  }
  size_t pictures = 0;
  for (const auto& own : tokens) pictures += own.size();
  const double each = pictures > 0 ? seconds_since(begin) / static_cast<double>(pictures) : 0;
  for (size_t i = 0; i < jobs.size(); ++i) draw_alone(*jobs[i], tokens[i], each);
}

// Draws a task's pictures from their tokens.
void Drawing::draw_alone(Job& job, const std::vector<Tokens>& tokens, double pass_seconds) const {
  Request one = std::move(job.request);
  const std::vector<uint64_t> seeds = std::move(one.seeds);
  for (size_t i = 0; i < seeds.size(); ++i) {
    const Clock::time_point begin = Clock::now();
    Delivered delivered;
    try {
      one.seeds = {seeds[i]};
      const std::vector<Tokens> own =
          tokens.empty() ? pipeline_.tokens(one, callbacks_) : std::vector<Tokens>{tokens[i]};
      const std::vector<Latents> latents = pipeline_.latents(one, own, callbacks_);
      const Result result = pipeline_.pixels(one, latents, callbacks_);
      delivered = deliver(job, one, i, result.pictures.at(0), pass_seconds + seconds_since(begin));
    } catch (const Error& e) {
      if (e.code() == ErrorCode::cancelled) throw;
      return job.record->fail(failure(job, e));
    }
    job.record->add(delivered.item, delivered.is_kept);
    taken_(job, delivered.item, delivered.file);
  }
  job.record->finish();
}

// Makes the picture's file and its item, unless the picture is flagged: then there is only an item.
Drawing::Delivered Drawing::deliver(const Job& job, const Request& request, size_t index, const Picture& picture,
                                    double seconds) const {
  const json& task = job.record->task();
  const bool is_flagged = wants_check(task) && checker_().check(picture.image).flagged;
  const std::string& uuid = job.record->image_uuids().at(index);
  ordered_json item = {{"taskType", "imageInference"}, {"taskUUID", job.record->uuid()}, {"imageUUID", uuid}};
  std::vector<uint8_t> bytes;
  bool is_kept = false;
  if (!is_flagged) {
    const PictureFormat format = format_of(task.value("outputFormat", "JPG"));
    const int quality = task.contains("outputQuality") ? static_cast<int>(whole_of(task.at("outputQuality"))) : 95;
    bytes = encode_picture(picture.image, format, quality, {});
    const std::string name = uuid + "." + extension_of(format);
    std::filesystem::path file;
    try {
      file = job.record->keep(index, format, bytes);
      is_kept = true;
    } catch (const Error&) {
      // Such as a full disk. A picture that is drawn isn't thrown away for it.
    }
    if (wants_output(task, "URL")) {
      if (!options_.folder.empty() || !is_kept) file = written(options_.folder, name, bytes);
      item["imageURL"] = file_url(file);
    }
    if (wants_output(task, "base64Data")) item["imageBase64Data"] = base64(bytes);
    if (wants_output(task, "dataURI")) item["imageDataURI"] = data_uri(format, bytes);
  }
  if (is_flagged) item["status"] = "success";  // without a picture a client would wait for more
  if (wants_check(task)) item["NSFWContent"] = is_flagged;
  item["seed"] = picture.seed;
  if (task.value("includeCost", false)) add_cost(request, seconds, &item);
  return {.item = std::move(item), .file = std::move(bytes), .is_kept = is_kept};
}

void Drawing::add_cost(const Request& request, double seconds, ordered_json* item) const {
  const Details d = pipeline_.details(request);
  const double tokens = static_cast<double>(d.grid_width) * static_cast<double>(d.grid_height);
  const double pixels = static_cast<double>(d.width) * static_cast<double>(d.height);
  const double steps = pixels / 1e6 * static_cast<double>(d.steps);
  (*item)["cost"] = rounded(options_.token_price * tokens + options_.step_price * steps, 1e6);
  (*item)["seconds"] = rounded(seconds, 1e3);
}

}  // namespace glm::tasks
