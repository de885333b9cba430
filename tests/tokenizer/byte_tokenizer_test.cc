#include "tokenizer/byte_tokenizer.h"

#include "base/error.h"
#include "base/json.h"
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
  const auto message_for = [&](const std::function<void(json&)>& damage) {
    json damaged = good;
    damage(damaged);
    const test::ScratchFile file("bytes.json", damaged.dump());
    std::string message = test::refusal([&] { ByteTokenizer tokenizer(file.path()); });
    EXPECT_NE(message.find(file.path().string()), std::string::npos) << message;
    return message;
  };
  const auto mentions = [](const std::string& message, const char* what) {
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  mentions(message_for([](json& j) { j = json::array(); }), "an object");
  mentions(message_for([](json& j) { j.erase("added_tokens_decoder"); }), "added_tokens_decoder");
  mentions(message_for([](json& j) { j["added_tokens_decoder"].erase("0"); }), "<pad>");
  mentions(message_for([](json& j) { j["added_tokens_decoder"].erase("1"); }), "</s>");
  mentions(message_for([](json& j) { j["added_tokens_decoder"]["x"] = j["added_tokens_decoder"]["0"]; }), "token id");
  mentions(message_for([](json& j) { j["added_tokens_decoder"]["-1"] = j["added_tokens_decoder"]["0"]; }), "token id");
  mentions(message_for([](json& j) { j["added_tokens_decoder"]["7"] = j["added_tokens_decoder"]["0"]; }), "of its own");
  mentions(message_for([](json& j) { j["added_tokens_decoder"]["0"]["content"] = ""; }), "content");
  mentions(message_for([](json& j) { j["added_tokens_decoder"]["0"] = 3; }), "content");
  mentions(message_for([](json& j) { j["added_tokens_decoder"]["0"].erase("lstrip"); }), "lstrip");
  mentions(message_for([](json& j) { j["added_tokens_decoder"]["0"]["rstrip"] = 1; }), "rstrip");
  mentions(message_for([](json& j) { j["added_tokens_decoder"]["0"]["single_word"] = true; }), "single_word");
}

}  // namespace
}  // namespace glm
