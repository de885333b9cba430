#include "tokenizer/glyph_text.h"

#include <gtest/gtest.h>

#include "tests/tokenizer/golden.h"

namespace glm {
namespace {

using test::Ids;

class GlyphTextOf : public testing::TestWithParam<const char*> {
 protected:
  const ByteTokenizer tokenizer_{test::checkpoint(GetParam()) / "tokenizer" / "tokenizer_config.json"};
};
INSTANTIATE_TEST_SUITE_P(Checkpoints, GlyphTextOf, testing::Values("a", "nano"),
                         [](const auto& tested) { return std::string(tested.param); });

// A golden row is the ids, or for a long text their number and both ends.
void expect_row(const Ids& ids, const nlohmann::json& expected) {
  if (expected.is_array()) {
    EXPECT_EQ(ids, expected.get<Ids>());
    return;
  }
  ASSERT_EQ(ids.size(), expected["size"].get<size_t>());
  const Ids start = expected["start"];
  const Ids end = expected["end"];
  EXPECT_EQ(Ids(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(start.size())), start);
  EXPECT_EQ(Ids(ids.end() - static_cast<ptrdiff_t>(end.size()), ids.end()), end);
}

TEST_P(GlyphTextOf, TextsAndIdsAreUpstreams) {
  const auto file = test::golden(std::string("glyphs_") + GetParam());
  ASSERT_GE(file["rows"].size(), 40U);
  for (const auto& row : file["rows"]) {
    SCOPED_TRACE(row["prompt"]);
    const std::string prompt = row["prompt"];
    EXPECT_EQ(find_glyph_texts(prompt), row["texts"].get<std::vector<std::string>>());
    for (const bool parse_special : {true, false}) {
      const auto expected = parse_special ? row["ids"] : row.value("plain", row["ids"]);
      const GlyphIds ids = glyph_ids(tokenizer_, prompt, parse_special);
      ASSERT_EQ(ids.texts.size(), expected.size());
      for (size_t i = 0; i < ids.texts.size(); ++i) expect_row(ids.texts[i], expected[i]);
    }
  }
}

TEST_P(GlyphTextOf, PadComesOnTopOfTheMaximum) {
  const GlyphIds ids = glyph_ids(tokenizer_, "'abcdef' 'gh'", true, 4);
  EXPECT_EQ(ids.texts, (std::vector<Ids>{{0, 100, 101, 102, 1}, {0, 106, 107, 1}}));
}

TEST(GlyphText, TakesMegabytesOfQuotes) {
  std::string openers;
  for (int i = 0; i < 300'000; ++i) openers += "“";
  EXPECT_EQ(find_glyph_texts(openers).size(), 0U);
  EXPECT_EQ(find_glyph_texts(openers + "x”"), std::vector<std::string>{"x"});
  EXPECT_EQ(find_glyph_texts(std::string(1 << 20, '"')).size(), 1U << 19U);
  EXPECT_EQ(find_unread_texts(openers).size(), 0U);
  EXPECT_EQ(find_unread_texts(openers + "„").size(), 0U);
}

TEST(UnreadTexts, AreThoseInOtherMarks) {
  using Texts = std::vector<std::string>;
  for (const char* prompt : {"„A“", "«A»", "»A«", "‚A‘", "‹A›", "『A』", "”A”", "“A“", "‘A’", "a „A“ b"}) {
    EXPECT_EQ(find_unread_texts(prompt), Texts{"A"}) << prompt;
  }
  EXPECT_EQ(find_unread_texts("«A» »B« ‚C‘ ‹D› 『E』"), (Texts{"A", "B", "C", "D", "E"}));
  EXPECT_EQ(find_unread_texts("« A »"), Texts{" A "});
  EXPECT_EQ(find_unread_texts("“A” 'B' \"C\" 「D」"), Texts());
  EXPECT_EQ(find_unread_texts("“A” and „B“"), Texts{"B"});
  EXPECT_EQ(find_unread_texts("\"«A»\" it’s 5 » 3, «open, «»"), Texts())
      << "read already, or no pair, or nothing in it";
  for (const char* prompt :
       {"“A\"", "\"A”",  "„A\"",  "\"A“", "‘A'", "'A’",      "«A\"", "\"A»", "sign \"A",         "“A", "″A″", "‛A’",
        "❝A❞",  "【A】", "〖A〗", "´A´",  "′A′", "看板\"A”", "‚A'",  "‹A'",  "the 6\" pipe \"A”"}) {
    EXPECT_EQ(find_unread_texts(prompt), Texts{"A"}) << prompt;
  }
  EXPECT_EQ(find_unread_texts("‘it's A’ 'the cat’s"), Texts{"it's A"});
  for (const char* prompt : {"6\" pipe", "5'11\" tall", "it's", "5′ 11″", "'tis the cat’s", "dogs' and cats'", "a \" b",
                             "6\" and 3\" pipes", "\"a “b” c\"", "rock 'n' roll", "x ' y", "\"A\"", "“A” \""}) {
    EXPECT_EQ(find_unread_texts(prompt), Texts()) << prompt;
  }
  EXPECT_EQ(find_unread_texts("\xff„A\xff“\xe2\x80"), Texts{"A\xef\xbf\xbd"});
}

}  // namespace
}  // namespace glm
