#include "tokenizer/byte_tokenizer.h"

#include "base/json.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tests/tokenizer/golden.h"

namespace glm {
namespace {

using nlohmann::json;
using test::Ids;

std::filesystem::path config_of(const std::string& name) {
  return test::checkpoint(name) / "tokenizer" / "tokenizer_config.json";
}

class ByteTokenizerOf : public testing::TestWithParam<const char*> {
 protected:
  const ByteTokenizer tokenizer_{config_of(GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, ByteTokenizerOf, testing::Values("a", "nano"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(ByteTokenizerOf, IdsAreUpstreams) {
  const auto file = test::golden(std::string("bytes_") + GetParam());
  ASSERT_GE(file["rows"].size(), 200U);
  for (const auto& row : file["rows"]) {
    const std::string text = row["text"];
    const size_t max_length = row["max_length"];
    EXPECT_EQ(tokenizer_.encode(text, max_length, true), row["ids"].get<Ids>()) << row;
    EXPECT_EQ(tokenizer_.encode(text, max_length, false), row.value("plain", row["ids"]).get<Ids>()) << row;
  }
}

TEST_P(ByteTokenizerOf, CutsToTheEndTokenAlone) {
  EXPECT_EQ(tokenizer_.encode("abc", 1, true), Ids{1});
  EXPECT_THROW(tokenizer_.encode("abc", 0, true), Error);
}

TEST_P(ByteTokenizerOf, InvalidBytesCountAsReplacementCharacters) {
  EXPECT_EQ(tokenizer_.encode("\xFF", 9, true), tokenizer_.encode("\uFFFD", 9, true));
}

TEST_P(ByteTokenizerOf, PadIsZero) {
  EXPECT_EQ(tokenizer_.pad_id(), 0);
}

TEST(ByteTokenizer, RefusesBrokenFiles) {
  const json good = read_json(config_of("nano"));
  const TemporaryFolder folder;
  const auto mentions = [&](const char* what, const std::function<void(json&)>& damage) {
    json damaged = good;
    damage(damaged);
    const auto file = write_bytes(folder / "bytes.json", damaged.dump());
    EXPECT_TRUE(refused(ErrorCode::model, {file.string(), what}, [&] { ByteTokenizer tokenizer(file); }));
  };
  mentions("an object", [](json& j) { j = json::array(); });
  mentions("added_tokens_decoder", [](json& j) { j.erase("added_tokens_decoder"); });
  mentions("<pad>", [](json& j) { j["added_tokens_decoder"].erase("0"); });
  mentions("</s>", [](json& j) { j["added_tokens_decoder"].erase("1"); });
  mentions("token id", [](json& j) { j["added_tokens_decoder"]["x"] = j["added_tokens_decoder"]["0"]; });
  mentions("token id", [](json& j) { j["added_tokens_decoder"]["-1"] = j["added_tokens_decoder"]["0"]; });
  mentions("that no other entry has", [](json& j) { j["added_tokens_decoder"]["7"] = j["added_tokens_decoder"]["0"]; });
  mentions("content", [](json& j) { j["added_tokens_decoder"]["0"]["content"] = ""; });
  mentions("content", [](json& j) { j["added_tokens_decoder"]["0"] = 3; });
  mentions("lstrip", [](json& j) { j["added_tokens_decoder"]["0"].erase("lstrip"); });
  mentions("rstrip", [](json& j) { j["added_tokens_decoder"]["0"]["rstrip"] = 1; });
  mentions("single_word", [](json& j) { j["added_tokens_decoder"]["0"]["single_word"] = true; });
}

}  // namespace
}  // namespace glm
