// Texts from outside: in whatever encoding they come in, and what of them goes out to people, terminals and programs.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "glm/encode.h"
#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using namespace std::string_literals;

class Texts : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return (folder_ / name).string();
  }
  // The picture of a prompt that is given so.
  std::string draw(const Arguments& prompt, const std::string& input = "") {
    const fs::path file = folder_ / "a.png";
    Arguments all = small_picture(file);
    all.erase(all.begin() + 1);
    all.insert(all.end(), prompt.begin(), prompt.end());
    const Outcome outcome = run_program(all, {.input = input});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return read_file(file);
  }
  // A picture with these metadata.
  void write_about(const std::string& name, const json& about) {
    const Image image{.width = 16, .height = 16, .rgb = std::vector<uint8_t>(3 * 16 * 16)};
    const std::vector<uint8_t> bytes =
        encode_picture(image, PictureFormat::png, 90, {.about = about.dump(), .parameters = {}});
    write(name, {bytes.begin(), bytes.end()});
  }

  TemporaryFolder folder_;
};

TEST_F(Texts, OfAnEditorDrawTheSamePicture) {
  const std::string prompt = "ein Schild, auf dem \"grün\" steht";
  const std::string wanted = draw({prompt});
  const std::string mark = "\xef\xbb\xbf";
  for (const std::string& bytes :
       {prompt, prompt + "\n", prompt + "\r\n", prompt + "\r", mark + prompt, mark + prompt + "\r\n", prompt + "\n\n\n",
        prompt + "\r\n\r\n", prompt + "\r\r\n", prompt + "\n\x1a", prompt + "\x1a", mark + mark + prompt}) {
    EXPECT_TRUE(draw({"--prompt-file", write("w.txt", bytes)}) == wanted) << bytes;
    EXPECT_TRUE(draw({"-"}, bytes) == wanted) << bytes;
  }
  EXPECT_TRUE(draw({mark + prompt}) == wanted);
  EXPECT_TRUE(draw({prompt + "\r"}) == wanted) << "a line of such a file, read by a shell";
  EXPECT_TRUE(draw({"--prompt-file", write("w.txt", "a cat\r\non a mat\r\n")}) == draw({"a cat\non a mat"}));
  EXPECT_TRUE(draw({"--prompt-file", write("w.txt", "a cat\r\r\non a mat")}) == draw({"a cat\non a mat"}));
}

// Texts, pictures and other values as an editor's file or a shell's variable has them.
TEST_F(Texts, OfVariablesAndOptionsAreCleanedToo) {
  const auto plan = [&](const Arguments& more, const std::map<std::string, std::string>& environment) {
    Arguments all = {"generate", "a cat", "--dry-run", "-m", small_checkpoint().string()};
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all, {.folder = folder_.path(), .environment = environment});
  };
  const std::string mark = "\xef\xbb\xbf";
  const std::string told = "text to be drawn: \"AB\", \"CD\"\npictures";
  for (const std::string& lines :
       {"AB\nCD"s, "AB\r\nCD\r\n"s, "AB\n\nCD\n"s, mark + "AB\nCD\n\x1a"s, "\n\nAB\r\r\nCD"s}) {
    const Outcome outcome = plan({}, {{"GLM_IMAGE_TEXT", lines}});
    EXPECT_EQ(outcome.err.find(told), 0U) << lines << outcome.err;
  }
  for (const std::string& text : {mark + "AB", "AB\r"s, "AB\n"s, "AB\r\n\r\n"s}) {
    EXPECT_EQ(plan({"--text", text, "--text", "CD"}, {}).err.find(told), 0U) << text;
    EXPECT_TRUE(draw({"a cat", "--text", text}) == draw({"a cat", "--text", "AB"})) << text;
  }
  EXPECT_EQ(plan({"--config", write("c.toml", "text = [\"AB\\r\\n\", \"\"\"CD\n\"\"\"]")}, {}).err.find(told), 0U);
  write_about("x.png", {{"prompt", "a"}, {"texts", {"AB\n", "CD"}}});
  EXPECT_EQ(plan({"--from", "x.png"}, {}).err.find("text to be drawn: \"AB \", \"CD\"\n"), std::string::npos)
      << "the prompt is stronger";
  Arguments again = {
      "generate", "--dry-run", "--from", (folder_ / "x.png").string(), "-m", small_checkpoint().string()};
  EXPECT_EQ(run_program(again).err.find("text to be drawn: \"AB \", \"CD\"\n"), 0U) << "as it was drawn";
  fs::copy(fs::path(GLM_SOURCE_DIR) / "tests/pictures/goldens/files/bit.png", folder_ / "b.png");
  EXPECT_EQ(plan({}, {{"GLM_IMAGE_IMAGE", "b.png\r\n\r\nb.png\r\n"}}).status, 0);
  EXPECT_EQ(plan({}, {{"GLM_IMAGE_STEPS", "3\r"}, {"GLM_IMAGE_GREEDY", "1\r\n"}}).status, 0);
}

TEST_F(Texts, WithANulAreRefused) {
  const std::string prompt("a cat on\0a mat with a hat", 24);
  const std::string said = "expected a text, found a NUL in it (byte 9)";
  for (const Outcome& outcome : {run_program({"generate", "--dry-run", "--prompt-file", write("w.txt", prompt)}),
                                 run_program({"generate", "--dry-run", "-"}, {.input = prompt}),
                                 run_program({"generate", "--dry-run", "a", "--config", write("c.toml", prompt)})}) {
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find(said), std::string::npos) << outcome.err;
  }
}

TEST_F(Texts, OfAnotherKindAreNamed) {
  const std::string files = std::string(GLM_SOURCE_DIR) + "/tests/pictures/goldens/files/";
  for (const auto& [file, kind] : std::vector<std::pair<std::string, std::string>>{
           {"bit.png", "a PNG"}, {"444.jpg", "a JPEG"}, {"lossy.webp", "a WebP"}, {"clear.gif", "a GIF"}}) {
    const Outcome outcome = run_program({"generate", "--dry-run", "--prompt-file", files + file});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find("expected text in UTF-8, found " + kind + "\n"), std::string::npos) << outcome.err;
  }
}

TEST_F(Texts, InAnotherEncodingAreRefusedByItsName) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"\xff\xfe"s + "a\0 \0c\0"s, "UTF-16"},
      {"\xfe\xff"s + "\0a\0 \0c"s, "UTF-16"},
      {"a\0 \0c\0a\0t\0\n\0"s, "UTF-16"},
      {"\0a\0 \0c\0a\0t"s, "UTF-16"},
      {"\xff\xfe\0\0"s + "a\0\0\0"s, "UTF-32"},
      {"\0\0\0a\0\0\0b"s, "UTF-32"},
      {"gr\xfcn", "another encoding, such as Latin-1, Windows-1252, Shift-JIS or GBK (byte 3)"},
      {"\xb2\xca\xba\xe7", "another encoding"},
      {"\x1b$B4A;z\x1b(B", "ISO-2022"},
      {"\x84\x31\x95\x33 text", "GB18030"},
      {"a \xed\xa0\x80 surrogate", "another encoding"},
      {"cut \xe2\x82", "another encoding"},
  };
  for (const auto& [bytes, encoding] : rows) {
    const std::string said = "expected text in UTF-8, found " + encoding;
    std::vector<Outcome> all = {run_program({"generate", "--dry-run", "--prompt-file", write("w.txt", bytes)}),
                                run_program({"generate", "--dry-run", "-"}, {.input = bytes}),
                                run_program({"generate", "--dry-run", "a", "--config", write("c.toml", bytes)})};
    if (bytes.find('\0') == std::string::npos) {
      all.push_back(run_program({"generate", "--dry-run", bytes}));
      all.push_back(run_program({"generate", "--dry-run", "a", "--text", bytes}));
      all.push_back(run_program({"generate", "--dry-run", "a"}, {.environment = {{"GLM_IMAGE_TEXT", bytes}}}));
    }
    for (const Outcome& outcome : all) {
      EXPECT_EQ(outcome.status, 2) << bytes;
      EXPECT_NE(outcome.err.find(said), std::string::npos) << bytes << "\n" << outcome.err;
    }
  }
}

// What nobody reads as quotes is said, with what to do; a picture that has no such marks gets no advice.
TEST_F(Texts, InOtherMarksGetAnAdvice) {
  const auto said = [](const Arguments& arguments) {
    Arguments all = {"generate", "--dry-run"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const std::string err = run_program(all).err;
    return err.substr(0, err.find("pictures: "));
  };
  for (const std::string prompt : {"ein Schild mit „OFFEN“", "znak „OFFEN”", "panneau «OFFEN»", "Schild »OFFEN«",
                                   "a sign ‘OFFEN’", "看板『OFFEN』", "skylt ”OFFEN”", "a sign ＂OFFEN＂", "a `OFFEN`",
                                   "a “OFFEN\" sign", "a sign \"OFFEN", "a ‘OFFEN' sign", "【OFFEN】"}) {
    const std::string advice = said({prompt});
    EXPECT_NE(advice.find("or add --text OFFEN\n"), std::string::npos) << prompt << "\n" << advice;
    EXPECT_NE(advice.find("are read as quotes"), std::string::npos);
    EXPECT_EQ(said({prompt, "--text", "OFFEN"}), "text to be drawn: \"OFFEN\"\n");
  }
  EXPECT_NE(said({"„AB CD“ und „it's“"}).find("or add --text 'AB CD' --text 'it'\\''s'\n"), std::string::npos);
  // The advice is what the program takes.
  EXPECT_NE(said({"„--help“"}).find("or add --text='--help'\n"), std::string::npos);
  EXPECT_NE(said({"„-5“ '-it\"s'"}).find("or add --text='-it\"s' --text='-5'\n"), std::string::npos);
  for (const std::string prompt : {"a sign ``OPEN''", "„ “ „OPEN“", "\" \" „OPEN“"}) {
    EXPECT_NE(said({prompt}).find("or add --text OPEN\n"), std::string::npos) << said({prompt});
  }
  EXPECT_NE(said({"\"ONE\" und „ZWEI“"}).find("text to be drawn: \"ONE\"\n"), std::string::npos);
  EXPECT_NE(said({"\"ONE\" und „ZWEI“"}).find("or add --text ONE --text ZWEI\n"), std::string::npos);
  for (const std::string prompt : {"a “READ” sign", "a sign \"«IN»\"", "it’s a cat", "「はい」", "a < b > c", "5 » 3",
                                   "a 6\" pipe", "he is 5'11\""}) {
    EXPECT_EQ(said({prompt}).find("add --text"), std::string::npos) << prompt << "\n" << said({prompt});
  }
}

const char* const kEvil =
    "\x1b[31m\x07\x7f|\xc2\x9b|\xe2\x80\xae|\xe2\x81\xa6|\xe2\x80\x8b|\xe2\x80\x8e|\xef\xbb\xbf|\xe2\x80\xa8|\xd8\x9c|"
    "\xc2\xad|\xf3\xa0\x80\x81|\xe1\xa0\x8e|\xe2\x81\xa0|\xef\xbf\xb9";

bool is_harmless(const std::string& text) {
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return (c < ' ' && c != '\n') || c == 0x7f; }))
    return false;
  for (const char* bad :
       {"\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8b", "\xe2\x80\x8e", "\xef\xbb\xbf", "\xe2\x80\xa8",
        "\xd8\x9c", "\xc2\xad", "\xf3\xa0\x80\x81", "\xe1\xa0\x8e", "\xe2\x81\xa0", "\xef\xbf\xb9"}) {
    if (text.find(bad) != std::string::npos) return false;
  }
  return true;
}

TEST_F(Texts, OfStrangersReachPeopleAsPlainText) {
  write_about(
      "x.png",
      {{"prompt", "a \""s + kEvil + "\""}, {"model", kEvil}, {"model_hash", "0"}, {"steps", 1}, {kEvil, kEvil}});
  const std::string file = (folder_ / "x.png").string();
  const std::string model = small_checkpoint().string();
  for (const Arguments& arguments : std::vector<Arguments>{
           {"info", file},
           {"info", file, "--json"},
           {"info", "/nonexistent/"s + kEvil},
           {"generate", "--from", file, "-m", model, "--size", "128x128", "-v", "-o", (folder_ / "y.png").string()},
           {"generate", "a", "--steps", kEvil},
           {"generate", "a", "--text", kEvil, "--dry-run"},
           {"generate", "a", "-o", (folder_ / kEvil).string() + ".png", "--dry-run"},
           {"generate", "a", "-o", (folder_ / kEvil).string() + ".png", "--dry-run", "--json"},
           {"generate", "a", "-i", kEvil},
           {"generate", "a", "-m", kEvil},
           {"generate", "a", "--config", kEvil},
           {"generate", "a", "--inject", kEvil},
           {"generate", "a", "--"s + kEvil},
           {kEvil}}) {
    const Outcome outcome = run_program(arguments);
    EXPECT_NE(outcome.out + outcome.err, "");
    EXPECT_TRUE(is_harmless(outcome.err)) << testing::PrintToString(arguments) << outcome.err;
    EXPECT_TRUE(is_harmless(outcome.out)) << testing::PrintToString(arguments) << outcome.out;
  }
  const json about = json::parse(run_program({"info", file, "--json"}).out);
  EXPECT_EQ(about["model"], kEvil) << "JSON says the same, escaped";
}

// A name with an end of a line in it doesn't begin a line of the program's own.
TEST_F(Texts, OfStrangersAreInOneLine) {
  for (const Arguments& arguments : std::vector<Arguments>{{"info", "a\nglm-image: all is well"},
                                                           {"generate", "a", "-m", "a\nglm-image: all is well"},
                                                           {"generate", "a", "--a\nglm-image: all is well"},
                                                           {"generate", "a", "--steps", "a\nglm-image: all is well"}}) {
    EXPECT_EQ(run_program(arguments).err.find("\nglm-image:"), std::string::npos);
  }
}

TEST_F(Texts, AreCutBetweenCharacters) {
  for (size_t before = 0; before < 4; ++before) {
    std::string text(before, 'x');
    for (int i = 0; i < 40; ++i) text += "\U0001F98A";
    for (const Arguments& arguments : std::vector<Arguments>{
             {"generate", "a", "--steps", text}, {"generate", "a", "--device", text}, {"completion", text}}) {
      const std::string err = run_program(arguments).err;
      EXPECT_NE(err.find("\U0001F98A...\""), std::string::npos) << err;
    }
    write_about("x.png", {{"prompt", "a"}, {"model", text}, {"model_hash", "0"}});
    const Outcome outcome = run_program(small_picture(folder_ / "y.png", {"--from", (folder_ / "x.png").string()}));
    EXPECT_NE(outcome.err.find("\U0001F98A...)"), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace glm
