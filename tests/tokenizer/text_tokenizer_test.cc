#include "tokenizer/text_tokenizer.h"

#include <thread>

#include "base/json.h"
#include "tests/base/refusal.h"
#include "tests/tokenizer/golden.h"

namespace glm {
namespace {

using test::Ids;

class TextTokenizerOf : public testing::TestWithParam<const char*> {
 protected:
  const TextTokenizer tokenizer_{test::checkpoint(GetParam()) / "processor" / "tokenizer.json"};
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, TextTokenizerOf, testing::Values("a", "nano"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST_P(TextTokenizerOf, IdsAreUpstreams) {
  const auto file = test::golden(std::string("text_") + GetParam());
  ASSERT_GE(file["rows"].size(), 200U);
  for (const auto& row : file["rows"]) {
    const std::string text = row["text"];
    EXPECT_EQ(tokenizer_.encode(text, true), row["ids"].get<Ids>()) << row["text"];
    EXPECT_EQ(tokenizer_.encode(text, false), row.value("plain", row["ids"]).get<Ids>()) << row["text"];
  }
}

TEST_P(TextTokenizerOf, ListOfMergesIsClosed) {
  EXPECT_TRUE(tokenizer_.warnings().empty());
}

TEST_P(TextTokenizerOf, KnowsItsTokens) {
  EXPECT_EQ(tokenizer_.id_of("<|dit_token_7|>"), 7);
  EXPECT_EQ(tokenizer_.encode("<sop>", true), Ids{tokenizer_.id_of("<sop>")});
  EXPECT_EQ(tokenizer_.encode("a", true), Ids{tokenizer_.id_of("a")});
  EXPECT_TRUE(refused(ErrorCode::model, {"<no such>"}, [&] { tokenizer_.id_of("<no such>"); }));
  EXPECT_TRUE(refused(ErrorCode::model, {}, [&] { tokenizer_.id_of(""); }));
}

TEST_P(TextTokenizerOf, InvalidBytesCountAsReplacementCharacters) {
  EXPECT_EQ(tokenizer_.encode("a\xFF\xE7\x8C", true), tokenizer_.encode("a\uFFFD\uFFFD", true));
}

// A megabyte is the sum of its lines: every line ends a word.
TEST_P(TextTokenizerOf, TakesAMegabyte) {
  const std::string line = "A photo of 12345 astronauts, it's “猫” <sop> \n";
  const Ids once = tokenizer_.encode(line, true);
  const size_t times = (1 << 20) / line.size();
  std::string text;
  Ids expected;
  for (size_t i = 0; i < times; ++i) {
    text += line;
    expected.insert(expected.end(), once.begin(), once.end());
  }
  EXPECT_TRUE(tokenizer_.encode(text, true) == expected);
}

TEST_P(TextTokenizerOf, TakesAMegabyteWithoutSpaces) {
  const std::string text(1 << 20, 'a');
  size_t length = 0;
  const auto vocabulary = read_json(test::checkpoint(GetParam()) / "processor" / "tokenizer.json")["model"]["vocab"];
  std::map<int64_t, size_t> sizes;
  for (const auto& [piece, id] : vocabulary.items()) sizes[id] = piece.size();
  for (const int64_t id : tokenizer_.encode(text, true)) length += sizes.at(id);
  EXPECT_EQ(length, text.size());
}

TEST_P(TextTokenizerOf, CanBeSharedByThreads) {
  const std::string text = "A cute cat sitting on a wooden table <sop>36 24<eop>";
  const Ids expected = tokenizer_.encode(text, true);
  std::vector<int> wrong(4);
  std::vector<std::thread> threads;
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += tokenizer_.encode(text, true) != expected;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

}  // namespace
}  // namespace glm
