// Files, what they say of themselves, and what the program prints.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "glm/encode.h"
#include "glm/picture_file.h"
#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Output : public testing::Test {
 protected:
  Outcome run(const Arguments& arguments) {
    return run_program(arguments, {.input = {}, .folder = folder_.path(), .output = {}});
  }
  Outcome draw(const std::string& file, const Arguments& more) {
    Arguments all = {"generate",  "a sign that says \"Ünïcode\"",
                     "-m",        small_checkpoint().string(),
                     "--size",    "160x128",
                     "--steps",   "1",
                     "-s",        "7",
                     "--threads", "1",
                     "-o",        file};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  json info(const std::string& file) {
    const Outcome outcome = run({"info", file, "--json"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.status == 0 ? json::parse(outcome.out) : json();
  }
  std::string bytes(const std::string& name) { return read_file(folder_ / name); }

  TemporaryFolder folder_;
};

using Metadata = Output;

TEST_F(Output, FormatsAreKnownByTheNameOrAsked) {
  const std::vector<std::tuple<std::string, Arguments, std::string>> rows = {
      {"a.png", {}, "\x89PNG"}, {"a.JPG", {}, "\xff\xd8\xff"}, {"a.jpeg", {"--quality", "20"}, "\xff\xd8\xff"},
      {"a.webp", {}, "RIFF"},   {"noname", {}, "\x89PNG"},     {"noname2", {"--format", "webp"}, "RIFF"},
  };
  for (const auto& [name, more, begin] : rows) {
    const Outcome outcome = draw(name, more);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.out, name + "\n");
    EXPECT_EQ(bytes(name).rfind(begin, 0), 0U) << name;
    const Image image = read_picture(folder_ / name);
    EXPECT_EQ(image.width, 160);
    EXPECT_EQ(image.height, 128);
  }
  EXPECT_LT(bytes("a.jpeg").size(), bytes("a.JPG").size());
  const Outcome both = draw("b.png", {"--format", "jpg"});
  EXPECT_EQ(both.status, 2);
  EXPECT_NE(both.err.find("--format: expected png, as the name b.png ends, found jpg"), std::string::npos) << both.err;
  ASSERT_EQ(run({"generate", "a cat", "--steps", "1", "-s", "3", "--format", "jpg", "--threads", "1"}).status, 0);
  EXPECT_TRUE(fs::exists(folder_ / "glm-image-3.jpg"));
}

TEST_F(Output, NothingIsOverwrittenUnlessAsked) {
  std::ofstream(folder_ / "a.png") << "precious";
  Outcome outcome = draw("a.png", {});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("a.png: exists already; -y replaces it"), std::string::npos) << outcome.err;
  EXPECT_EQ(bytes("a.png"), "precious");
  outcome = draw("b.png", {"--dump", "a.png"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(bytes("a.png"), "precious");
  EXPECT_EQ(draw("a.png", {"-y"}).status, 0);
  EXPECT_NE(bytes("a.png"), "precious");
  EXPECT_EQ(names_in(folder_.path()), std::vector<std::string>{"a.png"});
}

TEST_F(Output, ToStandardOutput) {
  ASSERT_EQ(draw("a.png", {}).status, 0);
  const Outcome piped = draw("-", {});
  EXPECT_EQ(piped.status, 0) << piped.err;
  EXPECT_TRUE(piped.out == bytes("a.png")) << "the picture and nothing else";
  EXPECT_EQ(draw("-", {"--json"}).status, 2);
  EXPECT_EQ(draw("-", {"-b", "2"}).status, 2);
  const Outcome nobody = run_program(small_picture("-"), {.nobody_reads = true});
  EXPECT_EQ(nobody.status, 1) << "the picture is lost";
  if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  Terminal terminal(small_picture("-"));
  EXPECT_EQ(terminal.finish(), 2);
  EXPECT_NE(terminal.seen().find("found a terminal"), std::string::npos) << terminal.seen();
}

TEST_F(Output, JsonSaysWhatWasDone) {
  const Outcome outcome = draw("p%d.png", {"-b", "2", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const json said = json::parse(outcome.out);
  ASSERT_EQ(said["pictures"].size(), 2);
  EXPECT_EQ(said["pictures"][0], json({{"file", "p1.png"}, {"seed", 7}, {"width", 160}, {"height", 128}}));
  EXPECT_EQ(said["pictures"][1]["seed"], 8);
  for (const char* stage : {"tokens", "glyphs", "steps", "pixels"}) EXPECT_GT(said["seconds"][stage], 0) << stage;
  EXPECT_GT(said["tokens_per_second"], 0);
  EXPECT_GT(said["tokens"], 20);
  EXPECT_GT(said["token_passes"], 0);
  EXPECT_LT(said["token_passes"], said["tokens"]) << "two pictures share each pass";
  EXPECT_GT(said["steps_per_second"], 0);
  EXPECT_GT(said["peak_bytes"], 10'000'000);
}

TEST_F(Output, ADryRunTouchesNothing) {
  const Outcome outcome = draw("a.png", {"--dry-run"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "");
  for (const char* text : {"pictures: 1, 160x128, to a.png", "grid: 5x4 after a small one of ", "steps: 1, guidance ",
                           "memory: about ", "time: about "}) {
    EXPECT_NE(outcome.err.find(text), std::string::npos) << text << "\n" << outcome.err;
  }
  EXPECT_EQ(outcome.err.find("prior="), std::string::npos) << outcome.err;
  EXPECT_TRUE(names_in(folder_.path()).empty());
  const Outcome coded = draw("a.png", {"--dry-run", "--device", "cpu", "--precision", "dit=int8"});
  EXPECT_NE(coded.err.find("\ndevice: cpu, float32, prior=bf16,dit=int8\n"), std::string::npos) << coded.err;
  const Outcome coded_json = draw("a.png", {"--dry-run", "--json", "--device", "cpu", "--precision", "dit=int8"});
  EXPECT_EQ(json::parse(coded_json.out)["precision"], "prior=bf16,dit=int8");
  const Outcome lists = draw("a.png", {"--dry-run", "--precision", "prior=int4", "--precision", "dit=int8"});
  EXPECT_NE(lists.err.find("prior=int4,dit=int8\n"), std::string::npos) << lists.err;
  EXPECT_EQ(draw("a.png", {"--dry-run", "--precision", "dit=int4", "--precision", "dit=int8"}).status, 2);
  EXPECT_EQ(draw("a.png", {"--dry-run", "--device", "cuda:77"}).status, 5);
  EXPECT_EQ(draw("a.png", {"--dry-run", "--device", "cpu", "--kernels", "force"}).status, 5);
  EXPECT_EQ(draw("a.png", {"--dry-run", "--device", "cpu", "--precision", "prior=fp8"}).status, 5);
  std::vector<std::string> many = {"--dry-run"};
  for (int i = 0; i < 300; ++i) many.insert(many.end(), {"--text", "x"});
  EXPECT_EQ(draw("a.png", many).status, 2);
  EXPECT_EQ(draw("no/such/a.png", {"--dry-run"}).status, 1);
}

TEST_F(Metadata, IsInEachFormatTheSame) {
  for (const std::string name : {"a.png", "a.jpg", "a.webp"}) {
    ASSERT_EQ(draw(name, {"--top-k", "50", "--text", "A \"B\"\nD", "--text", "C"}).status, 0);
    const json found = info(name);
    EXPECT_EQ(found["prompt"], "a sign that says \"Ünïcode\"");
    EXPECT_EQ(found["texts"], json({"A \"B\"\nD", "C"}));
    EXPECT_EQ(found["seed"], 7);
    EXPECT_EQ(found["width"], 160);
    EXPECT_EQ(found["height"], 128);
    EXPECT_EQ(found["steps"], 1);
    EXPECT_EQ(found["top_k"], 50);
    EXPECT_EQ(found["rng"], "cuda");
    EXPECT_EQ(found["model"], "a");
    EXPECT_EQ(found["model_hash"].get<std::string>().size(), 64U);
    EXPECT_EQ(found, info("a.png")) << name;
  }
  const Outcome lines = run({"info", "a.jpg"});
  EXPECT_NE(lines.out.find("prompt: a sign that says \"Ünïcode\"\n"), std::string::npos) << lines.out;
}

TEST_F(Metadata, OfOtherProgramsIsInThePngToo) {
  ASSERT_EQ(draw("a.png", {}).status, 0);
  const std::string png = bytes("a.png");
  EXPECT_NE(png.find(std::string("iTXtparameters\0", 15)), std::string::npos);
  for (const char* text :
       {"\nSteps: 1, Sampler: Euler, CFG scale: ", ", Seed: 7, Size: 160x128, Model hash: ", ", Model: a, "}) {
    EXPECT_NE(png.find(text), std::string::npos) << text;
  }
}

TEST_F(Metadata, IsLeftOutWhenNotWanted) {
  for (const std::string name : {"a.png", "a.jpg", "a.webp"}) {
    ASSERT_EQ(draw(name, {"--no-metadata"}).status, 0);
    EXPECT_EQ(bytes(name).find("code"), std::string::npos) << "the prompt is in " << name;
    const Outcome outcome = run({"info", name});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find("expected a picture that glm-image made"), std::string::npos) << outcome.err;
  }
}

TEST_F(Metadata, FromItAPictureIsRepeated) {
  for (const std::string name : {"a.png", "a.jpg", "a.webp"}) {
    ASSERT_EQ(draw(name, {"--cfg-scale", "2.5", "--rng", "cpu", "--text", "A", "--text", "B", "--temperature", "1.25"})
                  .status,
              0);
    const std::string again = "again-" + name;
    const Outcome outcome =
        run({"generate", "--from", name, "-m", small_checkpoint().string(), "--threads", "1", "-o", again});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(bytes(again) == bytes(name)) << name;
    EXPECT_EQ(outcome.err.find("warning"), std::string::npos) << outcome.err;
  }
  const Outcome other = run({"generate", "--from", "a.png", "-m", small_checkpoint().string(), "-s", "8", "--size",
                             "128x128", "-o", "b.png"});
  ASSERT_EQ(other.status, 0) << other.err;
  EXPECT_EQ(info("b.png")["seed"], 8) << "other options overrule it";
  EXPECT_EQ(info("b.png")["width"], 128);
  EXPECT_EQ(info("b.png")["guidance"], 2.5);
  const Outcome prompt =
      run({"generate", "a dog", "--from", "a.png", "-m", small_checkpoint().string(), "-o", "c.png"});
  ASSERT_EQ(prompt.status, 0) << prompt.err;
  EXPECT_EQ(info("c.png")["prompt"], "a dog");
  const Outcome model = run({"generate", "--from", "a.png", "--steps", "1", "-o", "d.png"});
  ASSERT_EQ(model.status, 0) << model.err;
  EXPECT_NE(model.err.find("was drawn by another model (a)"), std::string::npos) << model.err;
}

TEST_F(Metadata, OfPicturesFromReferencesKnowsThem) {
  write_png(folder_ / "one.png", {.width = 64, .height = 64, .rgb = std::vector<uint8_t>(3 * 64 * 64, 100)});
  write_png(folder_ / "two.png", {.width = 64, .height = 64, .rgb = std::vector<uint8_t>(3 * 64 * 64, 200)});
  ASSERT_EQ(draw("a.png", {"-i", "one.png"}).status, 0);
  EXPECT_EQ(info("a.png")["references"].size(), 1U);
  const Arguments repeat = {"generate",  "--from", "a.png", "-m", small_checkpoint().string(),
                            "--threads", "1",      "-y",    "-o", "b.png"};
  const auto with = [&](const Arguments& more) {
    Arguments all = repeat;
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  };
  const Outcome none = with({});
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.err.find("--from: expected the 1 pictures that it was drawn from"), std::string::npos) << none.err;
  EXPECT_EQ(with({"-i", "one.png"}).status, 0);
  EXPECT_TRUE(bytes("a.png") == bytes("b.png"));
  EXPECT_NE(with({"-i", "two.png"}).err.find("differ from those that the picture of --from was drawn from"),
            std::string::npos);
}

// Other programs move the metadata to these places when they write a picture again.
TEST_F(Metadata, IsFoundBehindThePixelsAndBehindOtherSegments) {
  const Image image{.width = 16, .height = 16, .rgb = std::vector<uint8_t>(3 * 16 * 16)};
  const std::string about = R"({"prompt": "a cat"})";
  const auto encoded = [&](PictureFormat format) {
    const std::vector<uint8_t> bytes = encode_picture(image, format, 90, {.about = about, .parameters = {}});
    return std::string(bytes.begin(), bytes.end());
  };
  const auto said = [&](const std::string& bytes) {
    std::ofstream(folder_ / "x", std::ios::binary) << bytes;
    return run({"info", "x"}).out;
  };
  const std::string png = encoded(PictureFormat::png);
  const size_t text = png.find("iTXtglm-image") - 4;
  const size_t size = 12 + static_cast<size_t>(static_cast<uint8_t>(png[text + 3]));
  const std::string chunk = png.substr(text, size);
  const std::string without = png.substr(0, text) + png.substr(text + size);
  const size_t end = without.find("IEND") - 4;
  const std::string behind = without.substr(0, end) + chunk + without.substr(end);
  EXPECT_EQ(said(behind), "prompt: a cat\n");
  EXPECT_EQ(said(behind.substr(0, end + size)), "prompt: a cat\n") << "without its end";
  EXPECT_EQ(said(without), "");
  const std::string jpeg = encoded(PictureFormat::jpeg);
  const std::string comment("\xff\xfe\0\4no", 6);
  const std::string xmp = std::string("\xff\xe1\0\x1f", 4) + "http://ns.adobe.com/xap/1.0/" + '\0';
  for (const std::string& before : {comment, xmp, xmp + comment}) {
    EXPECT_EQ(said(jpeg.substr(0, 2) + before + jpeg.substr(2)), "prompt: a cat\n");
  }
}

// `info` and --from read files that strangers made.
TEST_F(Metadata, OfStrangersIsRefusedOrHarmless) {
  const Image image{.width = 16, .height = 16, .rgb = std::vector<uint8_t>(3 * 16 * 16)};
  const auto file_of = [&](const std::string& about, PictureFormat format) {
    const std::vector<uint8_t> bytes = encode_picture(image, format, 90, {.about = about, .parameters = {}});
    std::ofstream(folder_ / "x", std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"{", "its metadata: not valid JSON"},
      {"[1]", "expected an object"},
      {"{\"prompt\": \"a\", \"prompt\": \"b\"}", "given twice"},
      {"{\"prompt\": \"a\", \"steps\": 1e99}", "steps: expected a whole number"},
      {"{\"prompt\": \"a\", \"steps\": \"-1\"}", "steps: expected a whole number"},
      {"{\"prompt\": \"a\", \"seed\": -7}", "seed: expected a whole number"},
      {"{\"prompt\": \"a\", \"width\": 99999999999999999999}", "width: expected a whole number"},
      {"{\"prompt\": \"a\", \"guidance\": null}", "cfg-scale: expected a number"},
      {"{\"prompt\": \"a\", \"rng\": {\"x\": 1}}", "rng: expected cuda or cpu"},
      {"{\"prompt\": \"a\", \"references\": [1, 2]}", "expected the 2 pictures"},
      {"{\"prompt\": \"a\", \"greedy\": \"$(reboot)\"}", "greedy: expected true or false"},
      {"{\"prompt\": 7}", "expected a prompt, found an empty one"},
      {"{}", "expected a prompt, found none"},
      {std::string(40, '['), "nests deeper"},
  };
  for (const PictureFormat format : {PictureFormat::png, PictureFormat::jpeg, PictureFormat::webp}) {
    for (const auto& [about, said] : rows) {
      file_of(about, format);
      const Outcome outcome = run({"generate", "--from", "x", "-o", "y.png"});
      EXPECT_EQ(outcome.status, 2) << about;
      EXPECT_NE(outcome.err.find(said), std::string::npos) << about << "\n" << outcome.err;
      EXPECT_EQ(outcome.out, "");
    }
    file_of("{\"prompt\": \"\\u001b[31mred\\u0007\"}", format);
    EXPECT_EQ(run({"info", "x"}).out, "prompt:  [31mred \n") << "no control characters";
    std::string whole = bytes("x");
    for (size_t cut = 0; cut < whole.size(); cut += 7) {
      std::ofstream(folder_ / "x", std::ios::binary) << whole.substr(0, cut);
      const std::string about = read_about({reinterpret_cast<const uint8_t*>(whole.data()), cut});
      EXPECT_TRUE(about.empty() || about == "{\"prompt\": \"\\u001b[31mred\\u0007\"}") << cut;
    }
  }
  EXPECT_EQ(run({"info", "/nonexistent"}).status, 1);
  EXPECT_EQ(run({"info", folder_.path().string()}).status, 1);
  EXPECT_EQ(run({"info", "/dev/zero"}).status, 1);
  EXPECT_EQ(run({"info"}).status, 2);
}

// Does a text hold what a terminal would obey? Lines may end.
bool commands_a_terminal(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < ' ' && c != '\n') || c == 127) return true;
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (c == 0xC2 && next >= 0x80 && next < 0xA0) return true;  // U+0080 to U+009F
    if (c >= 0x80 && c < 0xA0 && (i == 0 || static_cast<unsigned char>(text[i - 1]) < 0x80))
      return true;  // as one byte
  }
  return false;
}

// A stranger's picture, name or file commands nobody's terminal: in warnings, errors, `info` and what is printed at
// once.
TEST_F(Metadata, OfStrangersReachesTheTerminalWithoutItsCommands) {
  const Image image{.width = 16, .height = 16, .rgb = std::vector<uint8_t>(3 * 16 * 16)};
  const std::string evil = "\\u001b[2J\\u009b31m\\u007f\\u0007";  // in JSON
  const auto write = [&](const json& about) {
    const std::vector<uint8_t> bytes =
        encode_picture(image, PictureFormat::png, 90, {.about = about.dump(), .parameters = {}});
    std::ofstream(folder_ / "x.png", std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  const std::string bad =
      "\x1b[2J\xc2\x9b"
      "31m\x7f\x07";
  const auto harmless = [&](const Arguments& arguments, const std::string& expected) {
    const Outcome outcome = run(arguments);
    EXPECT_FALSE(commands_a_terminal(outcome.err)) << outcome.err;
    EXPECT_NE((outcome.err + outcome.out).find(expected), std::string::npos) << outcome.err << outcome.out;
    return outcome;
  };
  for (const char* key : {"steps", "seed", "rng", "dtype", "width", "greedy", "precision"}) {
    write({{"prompt", "a cat"}, {key, bad}});
    harmless({"generate", "--from", "x.png", "-o", "y.png"}, "expected");
  }
  write({{"prompt", "a " + bad}, {"model", bad}, {"model_hash", "0"}, {"steps", 1}, {"seed", 1}, {bad, bad}});
  harmless({"generate", "--from", "x.png", "-o", "y.png", "-m", small_checkpoint().string(), "--size", "128x128", "-v"},
           "another model");
  EXPECT_FALSE(commands_a_terminal(harmless({"info", "x.png"}, "model: ").out));
  write({{"prompt", "a"}, {"texts", {bad}}, {"steps", 1}});
  harmless({"generate", "--from", "x.png", "-o", "z.png", "-m", small_checkpoint().string(), "--size", "128x128"},
           "text to be drawn");
  harmless({"generate", "a sign \"" + bad + "\"", "--steps", bad}, "steps: expected");
  harmless({"generate", "a", "--" + bad}, "unknown option");
  harmless({bad}, "expected a command");
  harmless({"info", bad}, "expected a picture");
  harmless({"generate", "a", "-m", bad}, "no such folder");
  harmless({"generate", "a", "-o", bad + "/x.png"}, "can't be written");
  harmless({"generate", "a", "-i", bad}, "expected a picture");
  std::ofstream(folder_ / "c.toml") << "steps = \"" << evil << "\"\n";
  harmless({"generate", "a", "--config", "c.toml"}, "steps: expected");
  std::ofstream(folder_ / "c.toml") << "\"" << evil << "\" = 1\n";
  harmless({"generate", "a", "--config", "c.toml"}, "the name of an option");
}

// Files are named exactly for programs, and without commands for a terminal.
TEST_F(Output, AFilesNameCommandsNoTerminal) {
  if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  const std::string name = "a\x1b]0;title\x07.png";
  const Outcome piped = draw(name, {});
  EXPECT_EQ(piped.out, name + "\n");
  EXPECT_FALSE(commands_a_terminal(piped.err));
  Terminal terminal({"generate", "a", "-m", small_checkpoint().string(), "--size", "128x128", "--steps", "1", "-q",
                     "-y", "-o", (folder_ / name).string()});
  EXPECT_EQ(terminal.finish(), 0);
  EXPECT_EQ(terminal.seen().find("\x1b]0;title"), std::string::npos) << terminal.seen();
}

}  // namespace
}  // namespace glm
