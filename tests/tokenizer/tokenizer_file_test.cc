#include "tokenizer/tokenizer_file.h"

#include "base/json.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tests/tokenizer/golden.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {
namespace {

using nlohmann::json;
using test::Ids;

// A tokenizer of 256 bytes and the merges "a b", "ab c" and "a bc" ("bc" is a piece too).
json small_tokenizer() {
  json vocabulary = json::object();
  for (const std::string& character : byte_alphabet()) vocabulary.emplace(character, vocabulary.size());
  for (const char* piece : {"ab", "bc", "abc", "Ġwhole"}) vocabulary.emplace(piece, vocabulary.size());
  const json merges = json::parse(R"([["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"]])");
  const json regex = {{"Regex", R"( ?\p{L}+|\s+)"}};
  const json split = {{"type", "Split"}, {"pattern", regex}, {"behavior", "Isolated"}, {"invert", false}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  return {
      {"version", "1.0"},
      {"added_tokens", json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json::array({split, bytes})}}},
      {"post_processor", nullptr},
      {"model",
       {{"type", "BPE"}, {"dropout", nullptr}, {"ignore_merges", false}, {"vocab", vocabulary}, {"merges", merges}}}};
}

json added_token(const std::string& content, int64_t id) {
  return {{"content", content},   {"id", id},           {"lstrip", false}, {"rstrip", false},
          {"single_word", false}, {"normalized", false}};
}

TextTokenizer tokenizer_of(const json& contents) {
  const TemporaryFolder folder;
  return TextTokenizer(write_bytes(folder / "tokenizer.json", contents.dump()));
}

TEST(TokenizerFile, SmallOneWorks) {
  const TextTokenizer tokenizer = tokenizer_of(small_tokenizer());
  EXPECT_TRUE(tokenizer.warnings().empty());
  EXPECT_EQ(tokenizer.encode("abc", true), Ids{258});
  EXPECT_EQ(tokenizer.encode("bc", true), Ids{257});
  EXPECT_EQ(tokenizer.encode("", true), Ids{});
  EXPECT_EQ(tokenizer.encode(" whole", true).size(), 6U);
}

TEST(TokenizerFile, MergesMayBeTexts) {
  json contents = small_tokenizer();
  contents["model"]["merges"] = {"a b", "b c", "ab c", "a bc"};
  EXPECT_EQ(tokenizer_of(contents).encode("abcab", true), (Ids{258, 256}));
}

TEST(TokenizerFile, APostProcessorMayBeThereIfItAddsNothing) {
  const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const json token = {{"SpecialToken", {{"id", "<sop>"}, {"type_id", 0}}}};
  const auto pieces = [](const json& single) { return json{{"type", "TemplateProcessing"}, {"single", single}}; };
  const json bytes = {{"type", "ByteLevel"}};
  const auto steps = [](const json& all) { return json{{"type", "Sequence"}, {"processors", all}}; };
  json contents = small_tokenizer();
  for (const json& good : {pieces(json::array({text})), bytes, steps(json::array()),
                           steps(json::array({bytes, pieces(json::array({text}))}))}) {
    contents["post_processor"] = good;
    EXPECT_EQ(tokenizer_of(contents).encode("abc", true), Ids{258}) << good;
  }
  for (const json& bad :
       {pieces(json::array({token, text})), pieces(json::array({text, token})), pieces(json::array({token})),
        pieces(json::array()), steps(json::array({bytes, pieces(json::array({text, token}))})),
        json{{"type", "BertProcessing"}}}) {
    contents["post_processor"] = bad;
    EXPECT_TRUE(refused(ErrorCode::model, {"post_processor"}, [&] { tokenizer_of(contents); })) << bad;
  }
}

TEST(TokenizerFile, IgnoreMergesTakesWholeWordsFirst) {
  json contents = small_tokenizer();
  contents["model"]["ignore_merges"] = true;
  const TextTokenizer tokenizer = tokenizer_of(contents);
  EXPECT_EQ(tokenizer.encode(" whole", true), Ids{259});
  EXPECT_EQ(tokenizer.encode(" wholex", true).size(), 7U);
}

TEST(TokenizerFile, MissingSplitsGiveOneWarning) {
  json contents = small_tokenizer();
  contents["model"]["merges"].erase(3);
  const auto tokenizer = tokenizer_of(contents);
  ASSERT_EQ(tokenizer.warnings().size(), 1U);
  EXPECT_NE(tokenizer.warnings()[0].find("1 possible merges are not listed and 0 don't stand next to"),
            std::string::npos)
      << tokenizer.warnings()[0];
  EXPECT_NE(tokenizer.warnings()[0].find("tokenizer.json"), std::string::npos);
}

TEST(TokenizerFile, MergesApartFromTheirTokensGiveOneWarning) {
  json contents = small_tokenizer();
  contents["model"]["merges"] = json::parse(R"([["a", "b"], ["ab", "c"], ["b", "c"], ["a", "bc"]])");
  const auto tokenizer = tokenizer_of(contents);
  ASSERT_EQ(tokenizer.warnings().size(), 1U);
  EXPECT_NE(tokenizer.warnings()[0].find("0 possible merges are not listed and 1 don't stand next to"),
            std::string::npos)
      << tokenizer.warnings()[0];
}

TEST(TokenizerFile, AddedTokensAreLeftmostThenLongest) {
  json contents = small_tokenizer();
  contents["added_tokens"] =
      json::array({added_token("<x>", 260), added_token("<x><y>", 261), added_token("y><", 262)});
  contents["added_tokens"].push_back(added_token("~~", 263));
  contents["added_tokens"][3]["normalized"] = true;
  const TextTokenizer tokenizer = tokenizer_of(contents);
  EXPECT_EQ(tokenizer.encode("<x><y><x>", true), (Ids{261, 260}));
  EXPECT_EQ(tokenizer.encode("<x>~~y><", true), (Ids{260, 263, 262}));
  EXPECT_EQ(tokenizer.encode("~~", false), (Ids{'~', '~'}));
}

TEST(TokenizerFile, AddedTokensTakeSpacesAlong) {
  json contents = small_tokenizer();
  contents["added_tokens"] = json::array({added_token("<l>", 260), added_token("<r>", 261)});
  contents["added_tokens"][0]["lstrip"] = true;
  contents["added_tokens"][1]["rstrip"] = true;
  const TextTokenizer tokenizer = tokenizer_of(contents);
  EXPECT_EQ(tokenizer.encode("ab \u3000<l>ab<r>\n <l> <r>", true),
            (Ids{256, 260, 256, 261, 260, tokenizer.id_of("Ġ"), 261}));
}

struct Damage {
  const char* says;  // what the message names
  std::function<void(json&)> apply;
};

void PrintTo(const Damage& damage, std::ostream* out) {
  *out << damage.says;
}

class DamagedTokenizer : public testing::TestWithParam<Damage> {};

TEST_P(DamagedTokenizer, IsRefusedWithTheReason) {
  json contents = small_tokenizer();
  contents["added_tokens"] = json::array({added_token("<x>", 260)});
  GetParam().apply(contents);
  const TemporaryFolder folder;
  const auto file = write_bytes(folder / "tokenizer.json", contents.dump());
  EXPECT_TRUE(refused(ErrorCode::model, {file.string(), GetParam().says}, [&] { TextTokenizer tokenizer(file); }));
}

json& pre(json& j, size_t step) {
  return j["pre_tokenizer"]["pretokenizers"][step];
}

INSTANTIATE_TEST_SUITE_P(
    TokenizerFile, DamagedTokenizer,
    testing::Values(Damage{"an object", [](json& j) { j = json::array(); }},
                    Damage{"model", [](json& j) { j.erase("model"); }},
                    Damage{"\"BPE\"", [](json& j) { j["model"]["type"] = "Unigram"; }},
                    Damage{"model type: expected a string", [](json& j) { j["model"].erase("type"); }},
                    Damage{"byte_fallback", [](json& j) { j["model"]["byte_fallback"] = true; }},
                    Damage{"dropout", [](json& j) { j["model"]["dropout"] = 0.1; }},
                    Damage{"ignore_merges", [](json& j) { j["model"]["ignore_merges"] = "yes"; }},
                    Damage{"end_of_word_suffix", [](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; }},
                    Damage{"normalizer",
                           [](json& j) {
                             j["normalizer"] = {{"type", "NFC"}};
                           }},
                    Damage{"post_processor",
                           [](json& j) {
                             j["post_processor"] = {{"type", "TemplateProcessing"}};
                           }},
                    Damage{"pre_tokenizer", [](json& j) { j["pre_tokenizer"] = nullptr; }},
                    Damage{"\"Sequence\"", [](json& j) { j["pre_tokenizer"]["type"] = "ByteLevel"; }},
                    Damage{"two steps", [](json& j) { j["pre_tokenizer"]["pretokenizers"].erase(1); }},
                    Damage{"\"Isolated\"", [](json& j) { pre(j, 0)["behavior"] = "Removed"; }},
                    Damage{"invert", [](json& j) { pre(j, 0)["invert"] = true; }},
                    Damage{"Regex",
                           [](json& j) {
                             pre(j, 0)["pattern"] = {{"String", " "}};
                           }},
                    Damage{"not supported", [](json& j) { pre(j, 0)["pattern"]["Regex"] = "(["; }},
                    Damage{"add_prefix_space", [](json& j) { pre(j, 1)["add_prefix_space"] = true; }},
                    Damage{"use_regex", [](json& j) { pre(j, 1)["use_regex"] = true; }},
                    Damage{"vocab", [](json& j) { j["model"]["vocab"] = json::array(); }},
                    Damage{"a piece for each byte", [](json& j) { j["model"]["vocab"].erase("Ġ"); }},
                    Damage{"an id that no other piece has", [](json& j) { j["model"]["vocab"]["ab"] = 3; }},
                    Damage{"\"ab\": expected a token id", [](json& j) { j["model"]["vocab"]["ab"] = -1; }},
                    Damage{"a token id", [](json& j) { j["model"]["vocab"]["ab"] = 1LL << 31U; }},
                    Damage{"a token id", [](json& j) { j["model"]["vocab"]["ab"] = UINT64_MAX; }},
                    Damage{"a token id", [](json& j) { j["model"]["vocab"]["ab"] = 1.5; }},
                    Damage{"bytes", [](json& j) { j["model"]["vocab"][std::string(4000, 'x')] = 999; }},
                    Damage{"merges", [](json& j) { j["model"].erase("merges"); }},
                    Damage{"merges[1]", [](json& j) { j["model"]["merges"][1] = json::array({"a"}); }},
                    Damage{"merges[1]", [](json& j) { j["model"]["merges"][1] = "a b c"; }},
                    Damage{"merges[1]", [](json& j) { j["model"]["merges"][1] = "ab"; }},
                    Damage{"merges[1]",
                           [](json& j) {
                             j["model"]["merges"][1] = json::array({1, 2});
                           }},
                    Damage{"\"zz\" is not in it", [](json& j) { j["model"]["merges"][1] = "z z"; }},
                    Damage{"each merge once", [](json& j) { j["model"]["merges"][1] = "a b"; }},
                    Damage{"added_tokens", [](json& j) { j.erase("added_tokens"); }},
                    Damage{"added_tokens[0] id: expected 260", [](json& j) { j["added_tokens"][0]["id"] = 300; }},
                    Damage{"added_tokens[0] content", [](json& j) { j["added_tokens"][0]["content"] = ""; }},
                    Damage{"added_tokens[1] content",
                           [](json& j) { j["added_tokens"].push_back(added_token("<x>", 260)); }},
                    Damage{"single_word", [](json& j) { j["added_tokens"][0]["single_word"] = true; }},
                    Damage{"lstrip", [](json& j) { j["added_tokens"][0].erase("lstrip"); }}));

TEST(TokenizerFile, MissingOrBrokenJsonIsRefused) {
  const std::string nowhere = "/nonexistent/tokenizer.json";
  EXPECT_TRUE(refused(ErrorCode::model, {nowhere}, [&] { read_tokenizer_file(nowhere); }));
  const TemporaryFolder folder;
  const std::string whole = small_tokenizer().dump();
  const auto cut = write_bytes(folder / "tokenizer.json", whole.substr(0, whole.size() - 5));
  EXPECT_TRUE(refused(ErrorCode::model, {cut.string()}, [&] { read_tokenizer_file(cut); }));
  const auto repeated = write_bytes(folder / "repeated.json", R"({"model": 1, "model": 2})");
  EXPECT_TRUE(refused(ErrorCode::model, {repeated.string(), "twice"}, [&] { read_tokenizer_file(repeated); }));
}

TEST(TokenizerFile, AlphabetIsGpt2s) {
  EXPECT_EQ(byte_alphabet()[' '], "Ġ");
  EXPECT_EQ(byte_alphabet()['\n'], "Ċ");
  EXPECT_EQ(byte_alphabet()[0], "Ā");
  EXPECT_EQ(byte_alphabet()[0xAD], "Ń");
  EXPECT_EQ(byte_alphabet()[0xFF], "ÿ");
}

}  // namespace
}  // namespace glm
