// A checkpoint that upstream has loaded and saved again draws the same pictures.
#include <ATen/ATen.h>

#include "tests/base/refusal.h"
#include "tests/engine/cases.h"
#include "tests/support/checkpoints.h"
#include "tests/support/reference_picture.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

class SavedAgain : public testing::Test {
 protected:
  SavedAgain() {
    fs::copy(checkpoint_folder("a"), again_, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(again_)) {
      if (entry.path().extension() == ".json") fs::remove(entry);
    }
    fs::copy(fs::path(GLM_SOURCE_DIR) / "tests/data/saved_again", again_, fs::copy_options::recursive);
  }
  std::vector<uint8_t> drawn(const fs::path& checkpoint, const Request& request) const {
    const Pipeline pipeline(checkpoint, {.dtype = "float32", .device = test_device_name(), .threads = 1});
    EXPECT_TRUE(pipeline.warnings().empty());
    return pipeline.generate(request, {}).pictures[0].image.rgb;
  }
  void expect_the_same(const Request& request) const {
    EXPECT_TRUE(drawn(again_, request) == drawn(checkpoint_folder("a"), request));
  }
  const TemporaryFolder folder_;
  const fs::path again_ = folder_ / "a";
};

TEST_F(SavedAgain, DrawsTheSamePicture) {
  ASSERT_FALSE(fs::exists(again_ / "processor/preprocessor_config.json"));
  Request request = small_request({7});
  expect_the_same(request);
  request.references = {draw_reference({150, 130, 1})};
  expect_the_same(request);
}

TEST_F(SavedAgain, DrawsTheSamePictureWithAListOfEnds) {
  const fs::path file = again_ / "vision_language_encoder/generation_config.json";
  std::string text = read_bytes(file);
  const size_t end = text.find("\"eos_token_id\": 257");
  ASSERT_NE(end, std::string::npos) << text;
  write_bytes(file, text.replace(end, 19, "\"eos_token_id\": [3, 257]"));
  expect_the_same(small_request({7}));
}

}  // namespace
}  // namespace glm
