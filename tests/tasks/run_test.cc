// Tasks that share a pass of the prior, as they do on a GPU: here the pass is asked for.
#include "tasks/run.h"

#include <gtest/gtest.h>

#include "tests/support/checkpoints.h"
#include "tests/support/temporary_folder.h"

namespace glm::tasks {
namespace {

using nlohmann::json;

// A red square of 16 x 16 pixels, as a PNG.
constexpr const char* kPicture =
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGklEQVR42mM8IafBQApgYiARjGoY1TB0NAAAbaEBLl"
    "sPQdgAAAAASUVORK5CYII=";

json task(char digit, const json& changes) {
  const std::string id = std::string(1, digit) + "3ada9c5-16e0-409a-b2b7-9c77d7b51757";
  json one = {{"taskType", "imageInference"},
              {"taskUUID", id},
              {"model", "runware:glm-image@0"},
              {"positivePrompt", "a cat"},
              {"width", 128},
              {"height", 128},
              {"steps", 1},
              {"CFGScale", 1},
              {"seed", 7},
              {"outputType", "base64Data"},
              {"outputFormat", "PNG"}};
  one.update(changes);
  return one;
}

class Passes : public testing::Test {
 protected:
  // The pictures by their seeds' and tasks' order, and how often the stage of the tokens began.
  struct Drawn {
    json answer;
    std::vector<std::string> pictures;
    int passes = 0;
  };
  Drawn drawn(const json& array, size_t most) const {
    const TemporaryFolder folder;
    MediaStore store(folder.path());
    const Network network({});
    const Services services{.pipeline = [&]() -> const Pipeline& { return pipeline_; },
                            .store = [&]() -> MediaStore& { return store; },
                            .checker = nullptr,
                            .network = network};
    Register known;
    Drawn all;
    TaskCallbacks callbacks;
    callbacks.progress = [&](Stage stage, int64_t done, int64_t) {
      if (stage == Stage::tokens && done == 0) ++all.passes;
    };
    tasks::Run one(options_, callbacks, services, known, most);
    all.answer = json::parse(one.answer(array.dump()).json);
    for (const json& item : all.answer.value("data", json::array())) {
      if (item.contains("imageBase64Data")) all.pictures.push_back(item["imageBase64Data"]);
    }
    return all;
  }

  Pipeline pipeline_{checkpoint_folder("a"), {.dtype = "float32", .device = "cpu", .threads = 1}};
  TaskOptions options_;
};

TEST_F(Passes, OfSeveralTasksDrawTheSamePictures) {
  const std::string id = task('2', json::object())["taskUUID"];
  const json tasks = {task('0', {{"numberResults", 3}}),
                      task('1', {{"positivePrompt", "two dogs \"OPEN\""}, {"width", 150}, {"CFGScale", 2}}),
                      task('2', {{"deliveryMethod", "async"}, {"steps", 2}}),
                      task('3', {{"referenceImages", json::array({kPicture})}}),
                      {{"taskType", "getResponse"}, {"taskUUID", id}},
                      task('4', {{"numberResults", 20}})};
  const Drawn alone = drawn(tasks, 1);
  ASSERT_EQ(alone.pictures.size(), 3 + 1 + 1 + 1 + 20) << alone.answer;
  EXPECT_EQ(alone.passes, 3 + 1 + 1 + 1 + 20);
  const Drawn together = drawn(tasks, 16);
  EXPECT_EQ(together.passes, 3) << "three tasks, the one with a reference, the one with many results";
  EXPECT_TRUE(together.pictures == alone.pictures);
  EXPECT_EQ(drawn(tasks, 4).passes, 4);
}

}  // namespace
}  // namespace glm::tasks
