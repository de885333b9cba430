// GLM-4's own vocabulary: what the small checkpoints can't show. A test is a process that makes and reads 11 MB, so a
// test checks much.
#include <numeric>

#include "base/json.h"
#include "glm/error.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tests/tokenizer/glm4_vocabulary.h"
#include "tests/tokenizer/golden.h"
#include "tokenizer/prompt_layout.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {
namespace {

using nlohmann::json;
using test::Ids;

uint64_t fnv1a64(std::string_view bytes) {
  uint64_t value = 0xCBF29CE484222325;
  for (const char byte : bytes) value = (value ^ static_cast<uint8_t>(byte)) * 0x100000001B3;
  return value;
}

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

std::string hash_of(const Ids& ids) {
  std::string bytes;
  for (const int64_t id : ids) {
    for (uint32_t shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(id >> shift & 0xFF);
  }
  return hex(fnv1a64(bytes));
}

std::string repeated(const std::string& unit, size_t times) {
  std::string text;
  text.reserve(unit.size() * times);
  for (; times > 0; --times) text += unit;
  return text;
}

class Glm4 : public testing::Test {
 protected:
  // `numbers`: how many ids and their hash, with special tokens parsed and, where that differs, without.
  void expect(const std::string& text, const std::vector<json>& numbers) const {
    for (const bool parse_special : {true, false}) {
      if (!parse_special && numbers.size() == 2 && text.size() > 100'000) break;  // seconds
      const size_t at = parse_special || numbers.size() == 2 ? 0 : 2;
      const Ids ids = tokenizer_.encode(text, parse_special);
      EXPECT_EQ(ids.size(), numbers[at].get<size_t>()) << text.substr(0, 100);
      EXPECT_EQ(hash_of(ids), numbers[at + 1].get<std::string>()) << text.substr(0, 100);
    }
  }

  const std::string contents_ = test::glm4_tokenizer_json();
  const TemporaryFolder folder_;
  const TextTokenizer tokenizer_{write_bytes(folder_ / "glm4.json", contents_)};
};

TEST_F(Glm4, IdsAreTiktokens) {
  EXPECT_TRUE(tokenizer_.warnings().empty());
  const json golden = test::golden("glm4");
  EXPECT_EQ(hex(fnv1a64(contents_)), golden["meta"]["tokenizer.json"]) << "the script writes another file";
  size_t large_groups = 0;
  for (const auto& [name, rows] : golden.items()) {
    if (name == "meta" || name == "whole" || name == "repeated") continue;
    SCOPED_TRACE(name);
    large_groups += rows.size() >= 100 ? 1 : 0;
    for (const std::vector<json> row : rows) expect(row[0], {row.begin() + 1, row.end()});
  }
  EXPECT_GE(large_groups, 15U + 5U) << "scripts, and code, emoji, white space, numbers, contractions";
  ASSERT_EQ(golden["whole"].size(), 12U);
  for (const auto& row : golden["whole"]) {
    EXPECT_EQ(tokenizer_.encode(row[0].get<std::string>(), true), row[1].get<Ids>()) << row[0];
  }
}

TEST_F(Glm4, LongRunsAndMegabytesAreUpstreams) {
  const json golden = test::golden("glm4")["repeated"];
  ASSERT_GE(golden.size(), 130U);
  for (const std::vector<json> row : golden) {
    expect(repeated(row[0], row[1].get<size_t>()), {row.begin() + 2, row.end()});
  }
}

TEST_F(Glm4, LayoutIsThePublicCheckpoints) {
  const LayoutTokens tokens{"<sop>", "<eop>", "<|dit_token_16384|>", "<|dit_token_16385|>", "<|image|>"};
  const auto ids = [&](const char* prompt, int64_t side) {
    return layout_prompt(tokenizer_, tokens, prompt, {side / 32, side / 32}, true).ids;
  };
  EXPECT_EQ(ids("", 512), (Ids{167845, 115829, 16732, 115829, 167846, 167845, 115829, 16732, 115829, 167846, 16384}));
  EXPECT_EQ(ids("A photo of an astronaut riding a horse on mars", 1024),
            (Ids{16544,  23060, 16827,  16970,  62858,  36311,  16776, 31723,  16901,  63570, 167845,
                 117687, 16732, 117687, 167846, 167845, 115829, 16732, 115829, 167846, 16384}));
  // The prompt and size from which weights selftest knows the public model's tokens.
  EXPECT_EQ(layout_prompt(tokenizer_, tokens, "A cute cat sitting on a wooden table", {36, 24}, false).ids,
            (Ids{16544, 35316, 24762, 28205, 16901, 16776, 38815, 18477, 167845, 117144, 16732, 116102, 167846, 167845,
                 115241, 16732, 115878, 167846, 16384}));
  EXPECT_EQ(tokenizer_.encode("一只可爱的猫", true), (Ids{119961, 124624, 117225}));
  EXPECT_EQ(tokenizer_.encode(" 王", true), Ids{16512 + 102322}) << "a whole word before any merge";
  const std::pair<const char*, int64_t> numbers[] = {{"1", 16528},   {"8", 16535},   {"9", 16536},   {"10", 115180},
                                                     {"12", 115398}, {"15", 115594}, {"16", 115829}, {"19", 115241},
                                                     {"20", 114872}, {"24", 116102}, {"32", 117687}, {"36", 117144},
                                                     {"40", 116210}, {"48", 117445}, {"60", 116130}, {"64", 119148}};
  for (const auto& [text, id] : numbers) EXPECT_EQ(tokenizer_.encode(text, true), Ids{id}) << text;
  EXPECT_EQ(tokenizer_.id_of("<|image|>"), 167855);
  EXPECT_EQ(tokenizer_.id_of("<|dit_token_16511|>"), 16511);
}

TEST_F(Glm4, AnyBytesGetAnAnswer) {
  std::string all(256, '\0');
  std::iota(all.begin(), all.end(), '\0');
  const auto equal = [&](std::string_view broken, std::string_view repaired) {
    EXPECT_EQ(tokenizer_.encode(broken, true), tokenizer_.encode(repaired, true)) << repaired;
  };
  equal("a\xFF", "a\uFFFD");
  equal("\xE7\x8C", "\uFFFD");
  equal("\xE7\x8C \xE7\x8C\xAB", "\uFFFD 猫");
  equal("\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD");
  equal("\xC0\xAF<sop>\xF0\x9F\x98", "\uFFFD\uFFFD<sop>\uFFFD");
  equal(std::string_view("\0\xFE\0", 3), std::string_view("\0\uFFFD\0", 5));
  EXPECT_EQ(tokenizer_.encode(std::string_view("a\0b", 3), true).size(), 3U);
  // A megabyte is answered, or refused with the reason: upstream has no answer to compare with.
  for (const std::string& unit : {all, std::string("\xFF"), std::string(" "), std::string("\0 ", 2),
                                  std::string("<|dit_token_"), std::string("<sop>")}) {
    try {
      EXPECT_GT(tokenizer_.encode(repeated(unit, (1U << 20U) / unit.size()), true).size(), 1000U);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("shorten the text"), std::string::npos) << error.what();
    }
  }
}

TEST_F(Glm4, MissingSplitsAreCountedInOneWarning) {
  json contents = json::parse(contents_);
  json& merges = contents["model"]["merges"];
  json kept = json::array();
  size_t dropped = 0;
  std::string before;
  for (size_t i = 0; i < merges.size(); ++i) {  // of every 100th token's splits, all but the first
    const auto token = merges[i][0].get<std::string>() + merges[i][1].get<std::string>();
    const bool drop = token == before && std::hash<std::string>()(token) % 100 == 0;
    dropped += drop ? 1 : 0;
    if (!drop) kept.push_back(merges[i]);
    before = token;
  }
  ASSERT_GT(dropped, 500U);
  merges = kept;
  const auto file = write_bytes(folder_ / "open.json", contents.dump());
  const TextTokenizer tokenizer(file);
  ASSERT_EQ(tokenizer.warnings().size(), 1U);
  const std::string expected =
      ": " + std::to_string(dropped) + " possible merges are not listed and 0 don't stand next to";
  EXPECT_NE(tokenizer.warnings()[0].find(file.string() + expected), std::string::npos) << tokenizer.warnings()[0];
  EXPECT_EQ(tokenizer.encode("A photo", true), (Ids{16544, 23060}));
}

TEST_F(Glm4, ACutFileIsRefused) {
  const auto file = write_bytes(folder_ / "cut.json", contents_.substr(0, contents_.size() / 2));
  const auto open = [&] {
    try {
      TextTokenizer tokenizer(file);
    } catch (const Error& e) {
      EXPECT_LT(std::string_view(e.what()).size(), 1000U) << "the file's text doesn't end up in the message";
      throw;
    }
  };
  EXPECT_TRUE(refused(ErrorCode::model, {file.string(), "not valid JSON"}, open));
}

}  // namespace
}  // namespace glm
