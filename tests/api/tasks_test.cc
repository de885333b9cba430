// The task interface as hosts embed it, in C++ and in C.
#include "glm/tasks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/base64.h"
#include "base/uuid.h"
#include "glm/picture_file.h"
#include "glm_image.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

using nlohmann::json;

const std::string kSmall = GLM_BINARY_DIR "/checkpoints/a";
constexpr const char* kIds[] = {"03ada9c5-16e0-409a-b2b7-9c77d7b51757", "13ada9c5-16e0-409a-b2b7-9c77d7b51757",
                                "23ada9c5-16e0-409a-b2b7-9c77d7b51757"};

json inference(const std::string& id, const json& changes = json::object()) {
  json task = {{"taskType", "imageInference"},
               {"taskUUID", id},
               {"model", "runware:glm-image@0"},
               {"positivePrompt", "a cat"},
               {"width", 128},
               {"height", 160},
               {"steps", 1},
               {"CFGScale", 1},
               {"seed", 7},
               {"outputType", "base64Data"},
               {"outputFormat", "PNG"}};
  task.update(changes);
  return task;
}

class TasksTest : public testing::Test {
 protected:
  json answer(const std::vector<json>& tasks, const TaskCallbacks& callbacks = {}) const {
    return json::parse(tasks_.run(json(tasks).dump(), callbacks).json);
  }
  Image alone(Request request) const { return pipeline_->generate(request, {}).pictures.at(0).image; }

  TemporaryFolder folder_;
  std::shared_ptr<const Pipeline> pipeline_ =
      std::make_shared<const Pipeline>(kSmall, LoadOptions{.dtype = "float32", .device = "cpu", .threads = 1});
  Tasks tasks_{[this] { return pipeline_; }, {.media = folder_ / "media", .model = "a"}};
};

// Whatever shares its array, and whichever result of a task it is.
TEST_F(TasksTest, PicturesAreThoseOfGenerate) {
  const json said =
      answer({inference(kIds[0], {{"numberResults", 2}}),
              inference(kIds[1], {{"positivePrompt", "two dogs \"OPEN\""}, {"CFGScale", 2.5}, {"width", 150}})});
  ASSERT_EQ(said["data"].size(), 3);
  EXPECT_FALSE(said.contains("errors"));
  Request request;
  request.prompt = "a cat";
  request.width = 128;
  request.height = 160;
  request.steps = 1;
  request.guidance = 1;
  const auto drawn = [&](size_t i) {
    return decode_picture(*base64_bytes(said["data"][i]["imageBase64Data"].get<std::string>())).rgb;
  };
  for (size_t i = 0; i < 2; ++i) {
    request.seeds = {7 + i};
    EXPECT_EQ(said["data"][i]["seed"], 7 + i);
    EXPECT_TRUE(drawn(i) == alone(request).rgb) << i;
  }
  request.prompt = "two dogs \"OPEN\"";
  request.guidance = 2.5;
  request.width = 150;
  request.seeds = {7};
  EXPECT_TRUE(drawn(2) == alone(request).rgb);
}

TEST_F(TasksTest, AreKnownToLaterCalls) {
  ASSERT_EQ(answer({inference(kIds[0])})["data"].size(), 1);
  const json said = answer({{{"taskType", "getResponse"}, {"taskUUID", kIds[0]}},
                            {{"taskType", "getTaskDetails"}, {"taskUUID", kIds[0]}},
                            inference(kIds[0])});
  EXPECT_EQ(said["data"][0]["status"], "success");
  EXPECT_EQ(said["data"][1]["request"], json::array({inference(kIds[0])}));
  EXPECT_EQ(said["data"][1]["response"]["data"][0]["imageUUID"], said["data"][0]["imageUUID"]);
  EXPECT_EQ(said["errors"][0]["code"], "conflictTaskUUID");
}

// Another thread asks meanwhile: all results are processing, under the UUIDs that they will have.
TEST_F(TasksTest, AnswerWhileTheyAreDrawn) {
  std::promise<void> begun, go_on;
  bool waited = false;
  TaskCallbacks callbacks;
  callbacks.progress = [&](Stage, int64_t, int64_t) {
    if (std::exchange(waited, true)) return;
    begun.set_value();
    go_on.get_future().wait();
  };
  auto drawing = std::async(std::launch::async, [&] {
    return answer({inference(kIds[0], {{"numberResults", 3}})}, callbacks);
  });
  begun.get_future().wait();
  const json said = answer({{{"taskType", "getResponse"}, {"taskUUID", kIds[0]}}});
  go_on.set_value();
  const json drawn = drawing.get();
  ASSERT_EQ(said["data"].size(), 3);
  for (size_t i = 0; i < 3; ++i) {
    const json expected = {{"taskType", "imageInference"},
                           {"taskUUID", kIds[0]},
                           {"imageUUID", drawn["data"][i]["imageUUID"]},
                           {"status", "processing"}};
    EXPECT_EQ(said["data"][i], expected);
  }
}

TEST_F(TasksTest, CancelledKeepWhatIsFinished) {
  CancelToken cancel;
  std::vector<std::string> lines;
  TaskCallbacks callbacks;
  callbacks.cancel = &cancel;
  callbacks.result = [&](const std::string& line) {
    lines.push_back(line);
    cancel.cancel();
  };
  const TaskAnswer said =
      tasks_.run(json::array({inference(kIds[0], {{"numberResults", 3}}), inference(kIds[1])}).dump(), callbacks);
  EXPECT_TRUE(said.cancelled);
  EXPECT_EQ(said.failed, 2);
  const json whole = json::parse(said.json);
  EXPECT_EQ(whole["data"].size(), 1);
  ASSERT_EQ(whole["errors"].size(), 2);
  for (const json& error : whole["errors"]) EXPECT_EQ(error["code"], "taskCancelled");
  EXPECT_EQ(whole["errors"][1]["taskUUID"], kIds[1]);
  EXPECT_EQ(json::parse(lines[0]), json::object({{"data", whole["data"]}}));
  cancel.cancel();
  EXPECT_TRUE(tasks_.run(json::array({inference(kIds[2])}).dump(), callbacks).cancelled) << "before it begins";
}

TEST_F(TasksTest, ThrowWhatEndsACall) {
  TaskCallbacks callbacks;
  callbacks.progress = [](Stage, int64_t, int64_t) { throw Error(ErrorCode::device, "mine"); };
  EXPECT_TRUE(refused(ErrorCode::device, {"mine"}, [&] { answer({inference(kIds[0])}, callbacks); }));
  callbacks.progress = nullptr;
  callbacks.result = [](const std::string&) { throw std::runtime_error("mine, too"); };
  EXPECT_TRUE(refused(ErrorCode::internal, {"mine, too"}, [&] { answer({inference(kIds[1])}, callbacks); }));
  EXPECT_EQ(answer({{{"taskType", "getResponse"}, {"taskUUID", kIds[1]}}})["errors"][0]["code"], "inferenceError");
  callbacks.result = [](const std::string&) { throw Error(ErrorCode::io, "mine as well"); };
  EXPECT_TRUE(refused(ErrorCode::io, {"mine as well"}, [&] { answer({inference(new_uuid())}, callbacks); }));
  callbacks.result = [](const std::string&) { throw 5; };
  EXPECT_TRUE(refused(ErrorCode::internal, {"no std::exception"}, [&] { answer({inference(kIds[2])}, callbacks); }));
  EXPECT_EQ(answer({{{"taskType", "getResponse"}, {"taskUUID", kIds[2]}}})["errors"][0]["code"], "inferenceError");
  for (const double price : {-1.0, std::nan(""), 1e300}) {
    EXPECT_TRUE(
        refused(ErrorCode::usage, {"token_price"}, [&] { Tasks([&] { return pipeline_; }, {.token_price = price}); }));
  }
  write_bytes(folder_ / "file", "x");
  const Tasks closed([&] { return pipeline_; }, {.media = folder_ / "media2", .folder = folder_ / "file"});
  EXPECT_TRUE(refused(ErrorCode::io, {(folder_ / "file").string()}, [&] {
    closed.run(json::array({inference(kIds[2], {{"outputType", "URL"}})}).dump(), {});
  }));
  EXPECT_EQ(json::parse(closed.run(json::array({inference(kIds[2])}).dump(), {}).json)["data"].size(), 1)
      << "no file is asked for";
  const Tasks missing([]() -> std::shared_ptr<const Pipeline> { throw Error(ErrorCode::model, "none"); },
                      {.media = folder_ / "media3"});
  EXPECT_TRUE(refused(ErrorCode::model, {"none"}, [&] { missing.run(json::array({inference(kIds[0])}).dump(), {}); }));
  EXPECT_EQ(json::parse(missing.run(R"([{"taskType": "ping"}])", {}).json)["data"][0]["pong"], true)
      << "needs no model";
}

TEST_F(TasksTest, PromptsThatTheModelCanNotHoldAreTheirTasksError) {
  std::string texts;
  for (int i = 0; i < 300; ++i) texts += "\"a\" ";
  const json said = answer({inference(kIds[0], {{"positivePrompt", texts}}), inference(kIds[1])});
  EXPECT_EQ(said["data"].size(), 1);
  EXPECT_EQ(said["errors"][0]["code"], "invalidPositivePrompt");
  EXPECT_EQ(said["errors"][0]["taskUUID"], kIds[0]);
}

TEST(TasksInC, AnswerAndKeepTheEnginesMessage) {
  glm_engine* engine = glm_engine_create();
  EXPECT_EQ(glm_tasks_create(engine, nullptr), nullptr);
  glm_load_options load;
  glm_load_options_init(&load);
  load.device = "cpu";
  load.threads = 1;
  ASSERT_EQ(glm_engine_load(engine, kSmall.c_str(), &load), GLM_OK);
  glm_task_options options;
  glm_task_options_init(&options);
  options.token_price = -1;
  EXPECT_EQ(glm_tasks_create(engine, &options), nullptr);
  char text[200];
  glm_engine_last_error(engine, text, sizeof text);
  EXPECT_NE(std::string(text).find("token_price"), std::string::npos) << text;
  options.token_price = 0.5;
  options.model = "mine";
  const TemporaryFolder folder;
  const std::string media = folder.path();
  options.media = media.c_str();
  glm_tasks* tasks = glm_tasks_create(engine, &options);
  ASSERT_NE(tasks, nullptr);
  glm_engine_destroy(engine);  // the tasks keep it
  struct Said {
    std::string answer;
    int lines = 0;
    int64_t failed = -1;
  } said;
  glm_task_callbacks callbacks;
  glm_task_callbacks_init(&callbacks);
  callbacks.user = &said;
  const std::string asked =
      json::array({inference(kIds[0], {{"model", "mine"}, {"includeCost", true}}), {{"taskType", "x"}}}).dump();
  EXPECT_EQ(glm_tasks_run(tasks, asked.data(), asked.size(), &callbacks), GLM_USAGE) << "nobody takes the answer";
  callbacks.answer = [](void* user, const char* answer, size_t length, int64_t failed) {
    static_cast<Said*>(user)->answer.assign(answer, length);
    static_cast<Said*>(user)->failed = failed;
  };
  callbacks.result = [](void* user, const char*, size_t) { ++static_cast<Said*>(user)->lines; };
  EXPECT_EQ(glm_tasks_run(tasks, asked.data(), asked.size(), &callbacks), GLM_OK);
  EXPECT_EQ(said.lines, 2);
  EXPECT_EQ(said.failed, 1);
  const json whole = json::parse(said.answer);
  EXPECT_EQ(whole["data"][0]["cost"], 0.5 * 4 * 5);
  EXPECT_GT(whole["data"][0]["seconds"], 0);
  glm_cancel* cancel = glm_cancel_create();
  glm_cancel_set(cancel);
  callbacks.cancel = cancel;
  const std::string next = json::array({inference(kIds[1])}).dump();
  EXPECT_EQ(glm_tasks_run(tasks, next.data(), next.size(), &callbacks), GLM_CANCELLED);
  EXPECT_EQ(json::parse(said.answer)["errors"][0]["code"], "taskCancelled");
  glm_cancel_destroy(cancel);
  glm_tasks_destroy(tasks);
}

}  // namespace
}  // namespace glm
