#include "tokenizer/regex_splitter.h"

#include <set>

#include "tests/base/refusal.h"
#include "tests/tokenizer/golden.h"
#include "tokenizer/utf8.h"

namespace glm {
namespace {

using Pieces = std::vector<std::string_view>;

constexpr const char* kGlmPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

using Characters = std::set<std::string>;

std::string utf8(int32_t code_point) {
  std::string text;
  append_utf8(code_point, &text);
  return text;
}

// The characters that `pattern`, which matches single ones, takes; U+0001 isn't among them.
Characters matching(const std::string& pattern) {
  std::string all;
  for (int32_t c = 0; c < 0x110000; ++c) {
    if (c < 0xD800 || c > 0xDFFF) all += utf8(c) + '\x01';
  }
  Characters found;
  for (const std::string_view piece : RegexSplitter(pattern, "test").split(all)) {
    if (piece.find('\x01') == std::string_view::npos) found.emplace(piece);
  }
  return found;
}

Characters in_ranges(const nlohmann::json& ranges) {
  Characters found;
  for (const auto& range : ranges) {
    for (int32_t c = range[0]; c <= range[1]; ++c) found.insert(utf8(c));
  }
  return found;
}

TEST(RegexSplitter, SpacesAreUpstreams) {
  const Characters upstreams = in_ranges(test::golden("unicode")["space"]);
  EXPECT_EQ(upstreams.size(), 25U);
  EXPECT_EQ(matching(R"(\s)"), upstreams);
  EXPECT_EQ(matching(R"([\sx])").size(), upstreams.size() + 1);
  EXPECT_EQ(RegexSplitter(R"(\S+)", "test").split("a \u180E\u3000b"), (Pieces{"a", " ", "\u180E", "\u3000", "b"}));
}

// What upstream takes as a letter or digit and we don't is unassigned in PCRE2's version of Unicode, and
// there is nothing the other way round.
TEST(RegexSplitter, LettersAndDigitsAreUpstreamsUpToPcre2sUnicode) {
  const auto file = test::golden("unicode");
  const Characters unassigned = matching(R"(\p{Cn})");
  for (const auto& [pattern, key] : {std::pair{R"(\p{L})", "letter"}, {R"(\p{N})", "number"}}) {
    const Characters ours = matching(pattern);
    const Characters upstreams = in_ranges(file[key]);
    EXPECT_GT(ours.size(), 1700U);
    for (const std::string& c : ours) EXPECT_TRUE(upstreams.contains(c)) << c;
    for (const std::string& c : upstreams) EXPECT_TRUE(ours.contains(c) || unassigned.contains(c)) << c;
  }
}

TEST(RegexSplitter, KeepsWhatIsBetweenMatches) {
  const RegexSplitter splitter("b+", "test");
  EXPECT_EQ(splitter.split("abbcb"), (Pieces{"a", "bb", "c", "b"}));
  EXPECT_EQ(splitter.split("xyz"), (Pieces{"xyz"}));
  EXPECT_EQ(splitter.split(""), Pieces{});
  EXPECT_EQ(splitter.split(std::string_view("\0b\0", 3)), (Pieces{{"\0", 1}, "b", {"\0", 1}}));
}

TEST(RegexSplitter, EmptyMatchesMoveOnByCharacters) {
  EXPECT_EQ(RegexSplitter("x*", "test").split("é猫xx"), (Pieces{"é", "猫", "xx"}));
}

TEST(RegexSplitter, TranslatesOnlyUnescapedSpaces) {
  EXPECT_EQ(RegexSplitter(R"(\\s)", "test").split(R"(a\sb)"), (Pieces{"a", R"(\s)", "b"}));
  EXPECT_EQ(RegexSplitter(R"([^\S\n]+)", "test").split("a \t\nb"), (Pieces{"a", " \t", "\nb"}));
}

TEST(RegexSplitter, RefusesWhatDoesNotCompile) {
  EXPECT_TRUE(refused(ErrorCode::model, {"file.json", "(a"}, [] { RegexSplitter("(a", "file.json"); }));
  EXPECT_TRUE(refused(ErrorCode::model, {}, [] { RegexSplitter(R"(\C)", "file.json"); }));
}

TEST(RegexSplitter, StopsAnExplosion) {
  const RegexSplitter splitter("(?:a|a?)+$", "file.json");
  EXPECT_TRUE(refused(ErrorCode::model, {"match limit"}, [&] { splitter.split(std::string(64, 'a') + "b"); }));
}

TEST(RegexSplitter, FallsBackWhenTheCompiledCodeRunsOutOfStack) {
  const std::string text(200'000, 'a');
  EXPECT_EQ(RegexSplitter("(?:a|b)*c|(?:(a)|b)+", "test").split(text), (Pieces{text}));
}

TEST(RegexSplitter, TakesMegabytesOfSpaces) {
  const RegexSplitter splitter(kGlmPattern, "test");
  const std::string text = std::string(1 << 20, ' ') + "x";
  EXPECT_EQ(splitter.split(text).size(), 2U);
  EXPECT_EQ(splitter.split(std::string(1 << 20, 'x')).size(), 1U);
}

}  // namespace
}  // namespace glm
