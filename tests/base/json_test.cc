#include "base/json.h"

#include "tests/base/child.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

testing::AssertionResult parse_refused(const std::string& text, const std::string& said, int max_depth = 32) {
  return refused(ErrorCode::model, {"the source: ", said}, [&] { parse_json(text, "the source", max_depth); });
}

TEST(ParseJson, TakesWhatIsJson) {
  EXPECT_EQ(parse_json(R"( {"a": [1, -2.5, "\u00e4", null, true]} )", "the source")["a"].size(), 5U);
  EXPECT_EQ(parse_json("7", "the source"), 7);
}

TEST(ParseJson, RefusesWhatIsNot) {
  for (const char* text : {" ", "{", "[1,]", "{\"a\":1,}", "// x\n1", "{'a':1}", "NaN", "Infinity", "01", "1 2",
                           "\"\xC3\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\\ud800\"", "\"\t\"", "1e999"}) {
    EXPECT_TRUE(parse_refused(text, "not valid JSON")) << text;
  }
  EXPECT_TRUE(parse_refused("", "expected JSON, found an empty file"));
  EXPECT_TRUE(parse_refused(std::string("{}\0", 3), "NUL"));
  EXPECT_TRUE(parse_refused(std::string("{}\0{\"a\": 1", 10), "NUL"));
}

// The parser's own words name its classes; a user gets the place and what stands there.
TEST(ParseJson, SaysWhereItIsNotAndWhatStandsThere) {
  const auto says = [](std::string_view text) {
    json value;
    return json_problem(text, {}, &value);
  };
  EXPECT_EQ(says("{\"a\": 1,\n  'b': 2}"), "not valid JSON (line 2, column 3: expected JSON, found \"'b': 2}\")");
  EXPECT_EQ(says("{\"a\": \"b\nc\"}"), "not valid JSON (line 1, column 9: expected JSON, found the end of the line)");
  EXPECT_EQ(says("{\"a\": [1,\n"), "not valid JSON (it ends too early, at line 2, column 1)");
  EXPECT_EQ(says("{\"a\": \"b"), "not valid JSON (it ends too early, at line 1, column 9)");
  EXPECT_EQ(says("\"a\xff\""), "not valid JSON (line 1, column 3: no valid UTF-8)");
  EXPECT_EQ(says("[1, 1e999]"), "not valid JSON (1e999 is too large for a number)");
  EXPECT_EQ(says("{} " + std::string(200, 'x')),
            "not valid JSON (line 1, column 4: expected JSON, found \"" + std::string(30, 'x') + "...\")");
}

TEST(ParseJson, CountsObjectsAndLists) {
  for (const auto& [open, close] : {std::pair{"[", "]"}, {"{\"a\":", "}"}}) {
    const auto nested = [&, o = open, c = close](int levels) {
      std::string text = "1";
      for (int i = 0; i < levels; ++i) text.insert(0, o).append(c);
      return text;
    };
    EXPECT_NO_THROW(parse_json(nested(3), "the source", 3));
    EXPECT_TRUE(parse_refused(nested(4), "deeper than 3", 3));
    EXPECT_NO_THROW(parse_json(nested(32), "the source"));
    EXPECT_TRUE(parse_refused(nested(33), "deeper than 32"));
  }
  EXPECT_TRUE(parse_refused("[[[[]]]]", "deeper than 3", 3)) << "an empty list is a list";
  EXPECT_TRUE(parse_refused(std::string(10'000'000, '['), "deeper than 32")) << "no overflow of the stack";
}

TEST(ParseJson, RefusesAKeyGivenTwice) {
  EXPECT_TRUE(parse_refused(R"({"a": 1, "b": 2, "a": 1})", "\"a\" is given twice; leave out one of them"));
  EXPECT_TRUE(parse_refused(R"([{"b": {"a": 1, "\u0061": 2}}])", "\"a\" is given twice"));
  EXPECT_NO_THROW(parse_json(R"({"a": {"a": 1}, "b": {"a": [{"a": 1}, {"a": 1}]}})", "the source"));
}

TEST(ReadFile, ReadsAtMostTheLimit) {
  const TemporaryFolder folder;
  const fs::path file = folder / "text";
  const std::string text("ab\0\r\n", 5);
  write_bytes(file, text);
  EXPECT_EQ(read_file(file, 5), text);
  EXPECT_TRUE(refused(ErrorCode::model, {file.string(), "at most 4 bytes", "found 5"}, [&] { read_file(file, 4); }));
  write_bytes(file, "");
  EXPECT_EQ(read_file(file, 0), "");
}

TEST(ReadFile, NamesWhatItCannotRead) {
  const TemporaryFolder folder;
  fs::create_symlink("nowhere", folder / "broken_link");
  fs::create_symlink("loop", folder / "loop");
  for (const fs::path& file :
       {folder / "missing", folder.path(), fs::path("/dev/zero"), folder / "broken_link", folder / "loop"}) {
    EXPECT_TRUE(refused(ErrorCode::model, {file.string()}, [&] { read_file(file, 100); }));
    EXPECT_TRUE(refused(ErrorCode::model, {file.string()}, [&] { read_json(file); }));
  }
  EXPECT_TRUE(refused(ErrorCode::model, {"a link that leads to none"}, [&] { read_json(folder / "broken_link"); }));
  EXPECT_TRUE(refused(ErrorCode::model, {"found something else"}, [&] { read_json("/dev/zero"); }));
  EXPECT_FALSE(is_present(folder / "missing"));
  EXPECT_TRUE(is_present(folder / "broken_link"));
  EXPECT_TRUE(is_present(folder / "loop"));
}

// The check runs as another user, because the superuser may enter every folder.
TEST(ReadFile, SaysThatAFolderIsClosed) {
  const TemporaryFolder folder;
  fs::permissions(folder.path(), fs::perms::all);
  fs::create_directory(folder / "closed");
  write_bytes(folder / "closed/x.json", "{}");
  fs::permissions(folder / "closed", fs::perms::none);
  EXPECT_EQ(in_child([&] {
              const fs::path file = folder / "closed/x.json";
              if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(kSkipped);
              return is_present(file) &&
                     refused(ErrorCode::model, {file.string(), "check its permissions"}, [&] { read_file(file, 100); });
            }),
            0);
  fs::permissions(folder / "closed", fs::perms::owner_all);
}

TEST(ReadJson, NamesTheFile) {
  const TemporaryFolder folder;
  const fs::path file = folder / "x.json";
  write_bytes(file, R"({"a": 1})");
  EXPECT_EQ(read_json(file)["a"], 1);
  EXPECT_TRUE(refused(ErrorCode::model, {file.string(), "at most 7 bytes"}, [&] { read_json(file, 7); }));
  write_bytes(file, R"({"a": 1)");
  EXPECT_TRUE(refused(ErrorCode::model, {file.string(), "not valid JSON"}, [&] { read_json(file); }));
}

}  // namespace
}  // namespace glm
