// Where pictures are written, and what becomes of them when they can't be.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "glm/picture_file.h"
#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Places : public testing::Test {
 protected:
  // The program's temporary folder is one of ours.
  Places() { fs::create_directory(temporary_); }

  static Arguments arguments(const std::string& file, const Arguments& more = {}) {
    Arguments all = small_picture(file, more);
    all.erase(std::find(all.begin(), all.end(), "-y"));
    return all;
  }
  Outcome run(const Arguments& all) const {
    return run_program(all, {.folder = folder_.path(), .environment = {{"TMPDIR", temporary_.string()}}});
  }
  Outcome draw(const std::string& file, const Arguments& more = {}) const { return run(arguments(file, more)); }
  // Runs a shell's command line, in which "$@" is the program and its arguments.
  Outcome shell(const std::string& line, const Arguments& all) const {
    Arguments shell_arguments = {"-c", line, "sh", GLM_BINARY_DIR "/glm-image"};
    shell_arguments.insert(shell_arguments.end(), all.begin(), all.end());
    return run_program(
        shell_arguments,
        {.folder = folder_.path(), .environment = {{"TMPDIR", temporary_.string()}}, .program = "/bin/sh"});
  }
  // Runs the program with a pipe as standard output whose reader has gone.
  Outcome unread_by_anyone(const std::string& before, const Arguments& all) const {
    return shell("rm -f p; mkfifo p; : <p & exec 3>p; wait $!; " + before + "\n\"$@\" >&3 3>&-", all);
  }
  void plant(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  static void expect_picture(const fs::path& file) { EXPECT_EQ(read_picture(file).width, 128) << file; }
  // The picture that lies in a folder of its own in the temporary folder.
  fs::path kept() const {
    for (const auto& entry : fs::recursive_directory_iterator(temporary_)) {
      if (entry.is_regular_file()) return entry.path();
    }
    return {};
  }

  const TemporaryFolder folder_;
  const TemporaryFolder other_;
  const fs::path temporary_ = other_ / "tmp";
};

void expect(const Outcome& outcome, int status, const Arguments& said) {
  EXPECT_EQ(outcome.status, status) << outcome.err;
  for (const std::string& text : said) {
    EXPECT_NE(outcome.err.find(text), std::string::npos) << text << "\n" << outcome.err;
  }
}

// The file appears when the program has begun to draw, as another run's does.
TEST_F(Places, AFileThatAppearsMeanwhileStays) {
  if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  for (const std::string name : {"a.png", "dump"}) {
    const bool picture = name == "a.png";
    Terminal terminal(arguments((folder_ / (picture ? "a.png" : "b.png")).string(),
                                {"--size", "256x256", "--dump", (folder_ / (picture ? "other" : "dump")).string()}));
    ASSERT_TRUE(terminal.wait_for("tokens [")) << terminal.seen();
    plant(name, "theirs");
    EXPECT_EQ(terminal.finish(), 1) << terminal.seen();
    EXPECT_EQ(read_file(folder_ / name), "theirs");
    const std::string path = (folder_ / (picture ? "a-2.png" : "b.png")).string();
    EXPECT_NE(terminal.seen().find((picture ? "\n" : "") + path + "\r\n"), std::string::npos) << terminal.seen();
    const std::string told = picture ? "The picture is kept in " + (folder_ / "a-2.png").string() : "exists already";
    EXPECT_NE(terminal.seen().find(told), std::string::npos) << terminal.seen();
    EXPECT_EQ(read_picture(folder_ / (picture ? "a-2.png" : "b.png")).width, 256);
  }
  EXPECT_EQ(names_in(folder_.path()), (std::vector<std::string>{"a-2.png", "a.png", "b.png", "dump", "other"}));
}

// The kept picture has the name that was asked for, not the link's target's.
TEST_F(Places, ALinkThatAppearsMeanwhileStays) {
  if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  plant("there", "theirs");
  Terminal terminal(arguments((folder_ / "a.png").string(), {"--size", "256x256"}));
  ASSERT_TRUE(terminal.wait_for("tokens [")) << terminal.seen();
  fs::create_symlink("there", folder_ / "a.png");
  EXPECT_EQ(terminal.finish(), 1) << terminal.seen();
  EXPECT_EQ(names_in(folder_.path()), (std::vector<std::string>{"a-2.png", "a.png", "there"}));
  EXPECT_EQ(read_file(folder_ / "there"), "theirs");
  EXPECT_EQ(read_picture(folder_ / "a-2.png").width, 256);
}

TEST_F(Places, WithOverwriteAFileThatAppearsMeanwhileIsReplaced) {
  if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  Terminal terminal(small_picture((folder_ / "a.png").string(), {"--size", "256x256"}));
  ASSERT_TRUE(terminal.wait_for("tokens [")) << terminal.seen();
  plant("a.png", "theirs");
  EXPECT_EQ(terminal.finish(), 0) << terminal.seen();
  EXPECT_EQ(read_picture(folder_ / "a.png").width, 256);
  EXPECT_EQ(names_in(folder_.path()).size(), 1U);
}

TEST_F(Places, TwoOutputsAreTwoFiles) {
  fs::create_directory(folder_ / "sub");
  fs::create_symlink("n.png", folder_ / "link.png");
  fs::create_symlink("l1.png", folder_ / "p2.png");
  fs::create_symlink("x.png", folder_ / "l1.png");
  fs::create_symlink("x.png", folder_ / "p1.png");
  const std::vector<Arguments> rows = {
      {"-o", "n.png", "--dump", "n.png"},
      {"-o", "n.png", "--dump", "./n.png", "-y"},
      {"-o", "n.png", "--dump", "sub/../n.png"},
      {"-o", "n.png", "--dump", (folder_ / "n.png").string(), "-y"},
      {"-o", "n.png", "--dump", "link.png"},
      {"-o", "link.png", "--dump", "n.png"},
      {"-o", "q%d.png", "-b", "3", "--dump", "q2.png"},
      {"-o", "p%d.png", "-b", "2"},
      {"-o", "/dev/stdout"},
      {"-o", "n.png", "--dump", "/proc/self/fd/1"},
      {"-o", "-", "--dump", "/dev/stdout"},
      {"-o", "-", "--dump", "-"},
  };
  for (const Arguments& row : rows) {
    const Outcome outcome = draw("replaced.png", row);
    expect(outcome, 2, {"expected a file"});
    EXPECT_EQ(outcome.out, "") << row[1] << " " << row[3];
  }
  EXPECT_EQ(names_in(folder_.path()), (std::vector<std::string>{"l1.png", "link.png", "p1.png", "p2.png", "sub"}));
  EXPECT_EQ(draw("/dev/null", {"--dump", "/dev/null"}).status, 0) << "a device takes any number";
}

TEST_F(Places, ALinkIsFollowedAndStays) {
  fs::create_directory(folder_ / "real");
  fs::create_symlink("real/pic.png", folder_ / "link.png");
  EXPECT_EQ(draw("link.png").status, 0);
  EXPECT_TRUE(fs::is_symlink(folder_ / "link.png"));
  expect_picture(folder_ / "real/pic.png");
  expect(draw("link.png"), 1, {"exists already"});
  EXPECT_EQ(draw("link.png", {"-y"}).status, 0);
  EXPECT_TRUE(fs::is_symlink(folder_ / "link.png"));
  EXPECT_EQ(names_in(folder_ / "real"), std::vector<std::string>{"pic.png"});
  fs::create_symlink("no/pic.png", folder_ / "nowhere.png");
  expect(draw("nowhere.png"), 1, {"there is no folder no"});
  fs::create_symlink("loop.png", folder_ / "loop.png");
  expect(draw("loop.png", {"-y"}), 1, {"loop.png: can't be written (Too many levels of symbolic links)"});
}

TEST_F(Places, NamesAreAsLongAsTheFileSystemsAre) {
  for (const size_t length : {250U, 255U}) {
    const std::string name = std::string(length - 4, 'n') + ".png";
    const Outcome outcome = draw(name, {"-q"});
    EXPECT_EQ(outcome.out, name + "\n") << outcome.err;
    expect_picture(folder_ / name);
  }
  // Told before the model is looked for.
  const Arguments no_model = {"-m", "/no/such/model"};
  expect(draw(std::string(252, 'n') + ".png", no_model), 1, {"File name too long"});
  expect(draw(std::string(5000, '/') + "n.png", no_model), 1, {"File name too long"});
  expect(draw("a.png", {"-m", "/no/such/model", "--dump", std::string(256, 'n')}), 1, {"File name too long"});
}

TEST_F(Places, APictureThatCanNotBeWrittenIsKept) {
  expect(draw("/dev/full"), 1, {"/dev/full: can't be written (No space left on device)", "The picture is kept in "});
  expect_picture(kept());
  EXPECT_EQ(kept().filename(), "full");
  fs::remove_all(kept().parent_path());
  const Outcome alone = draw("/dev/full");
  EXPECT_EQ(alone.out, kept().string() + "\n");
  fs::remove_all(kept().parent_path());
  const Outcome as_json = draw("/dev/full", {"--json"});
  EXPECT_EQ(json::parse(as_json.out)["pictures"][0]["file"], kept().string());
  struct stat status {};
  ASSERT_EQ(::stat(kept().parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U) << "others may look at it";
  fs::remove_all(kept().parent_path());

  const Outcome piped = shell("\"$@\" >/dev/full", arguments("-", {"--format", "jpg"}));
  expect(piped, 1, {"standard output: can't be written (No space left on device)", "glm-image.jpg"});
  expect_picture(kept());
  fs::remove_all(kept().parent_path());

  fs::create_symlink("/dev/full", folder_ / "p1.png");
  const Outcome two = draw("p%d.png", {"-b", "2", "--json"});
  expect(two, 1, {"p1.png: can't be written", "1 of 2 pictures"});
  expect_picture(folder_ / "p2.png");
  EXPECT_EQ(json::parse(two.out)["pictures"][0]["file"], kept().string());
  expect_picture(kept());
}

TEST_F(Places, APictureWhoseFolderGoesIsKept) {
  if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  fs::create_directory(folder_ / "sub");
  Terminal::Kind kind;
  kind.environment = {{"TMPDIR", temporary_.string()}};
  Terminal terminal(arguments((folder_ / "sub/a.png").string(), {"--size", "256x256"}), kind);
  ASSERT_TRUE(terminal.wait_for("tokens [")) << terminal.seen();
  fs::remove(folder_ / "sub");
  EXPECT_EQ(terminal.finish(), 1) << terminal.seen();
  EXPECT_EQ(kept().filename(), "a.png");
  EXPECT_NE(terminal.seen().find("The picture is kept in " + kept().string()), std::string::npos) << terminal.seen();
}

// One signal ends the wait for a pipe's reader, and no picture is lost.
TEST_F(Places, WaitingForAReaderIsInterrupted) {
  const std::string fifo = (folder_ / "f.png").string();
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const std::string other = (folder_ / "b.png").string();
  const std::string said = fifo + " is a pipe: the program waits there until something reads it";
  const std::string run = "{ \"$@\" & }; sleep 2; kill -TERM $!; wait $!";
  const std::string stuck =
      "sleep 100 <f.png & reader=$!; \"$@\" & sleep 2; kill -TERM $!; wait $!; "
      "status=$?; kill $reader; exit $status";
  for (const std::string& line : {run, stuck}) {
    const Outcome picture = shell(line, arguments(fifo, {"--size", "512x512"}));
    expect(picture, 128 + SIGTERM, {said, "f.png: can't be written (interrupted", "The picture is kept in "});
    EXPECT_EQ(read_picture(kept()).width, 512);
    fs::remove_all(kept().parent_path());
    const Outcome dump = shell(line, arguments(other, {"-y", "--dump", fifo}));
    expect(dump, 128 + SIGTERM, {said, "interrupted; 1 of 1 pictures were written"});
    EXPECT_EQ(dump.out, other + "\n");
  }
  const Outcome full = shell(
      "sleep 100 <f.png & reader=$!; \"$@\" >f.png & sleep 2; kill -TERM $!; wait $!; "
      "status=$?; kill $reader; exit $status",
      arguments("-", {"--size", "512x512"}));
  expect(full, 128 + SIGTERM, {"standard output: can't be written (interrupted", "The picture is kept in "});
  EXPECT_EQ(shell("(cat f.png >got) & \"$@\"; wait", arguments(fifo)).status, 0);
  EXPECT_TRUE(read_file(folder_ / "got").starts_with("\x89PNG"));
}

TEST_F(Places, AFileThatIsReplacedKeepsItsPermissions) {
  plant("a.png", "private");
  ASSERT_EQ(::chmod((folder_ / "a.png").c_str(), 0600), 0);
  ASSERT_EQ(draw("a.png", {"-y"}).status, 0);
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "a.png").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  expect_picture(folder_ / "a.png");
}

TEST_F(Places, OnePictureKeepsItsName) {
  for (const std::string name : {"100%done.png", "50%sale.png", "a%03d.png", "%%.png", "%.png"}) {
    const Outcome outcome = draw(name);
    EXPECT_EQ(outcome.out, name + "\n") << outcome.err;
    EXPECT_TRUE(fs::exists(folder_ / name)) << name;
  }
}

TEST_F(Places, SeveralPicturesAreCounted) {
  const std::vector<std::tuple<std::string, std::string>> rows = {
      {"p%03d.png", "p002.png"},
      {"p%1d.png", "p2.png"},
      {"100%%-%d.png", "100%-2.png"},
      {"%02d-%s-%d.png", "02-8-2.png"},
      {"%s%%d.png", "8%d.png"},
      {"%x%5s%d.png", "%x%5s2.png"},
      {"%d%", "2%"},
  };
  for (const auto& [pattern, second] : rows) {
    const Outcome outcome = draw(pattern, {"-b", "2", "--dry-run"});
    expect(outcome, 0, {", " + second + "\n"});
  }
  EXPECT_EQ(draw("p%02d.png", {"-b", "2"}).status, 0);
  EXPECT_EQ(names_in(folder_.path()), (std::vector<std::string>{"p01.png", "p02.png"}));
}

TEST_F(Places, EndingsOfOtherFormatsAreRefused) {
  for (const std::string name : {"a.gif", "a.bmp", "a.tiff", "a.avif", "a.GIF", "a.png.txt", "a.pgn", "a.", "%d.jpe"}) {
    expect(draw(name, {"-m", "/no/such/model"}), 2,
           {"--output: expected a name that ends with .png, .jpg, .jpeg or .webp, or has no ending, found " + name,
            "--format"});
  }
  EXPECT_EQ(draw("v1.2", {"--format", "png"}).status, 0) << "asked for";
  EXPECT_EQ(draw(".hidden").status, 0) << "no ending";
  EXPECT_EQ(names_in(folder_.path()), (std::vector<std::string>{".hidden", "v1.2"}));
}

TEST_F(Places, ANameThatIsNotUtf8IsToldInJson) {
  const std::string name = "\xff\xfe-caf\xe9.png";
  const Outcome drawn = draw(name, {"--json"});
  ASSERT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_TRUE(fs::exists(folder_ / name));
  EXPECT_EQ(json::parse(drawn.out)["pictures"][0]["file_base64"], "//4tY2Fm6S5wbmc=");
  const Outcome dry = draw("\xff%d.png", {"-b", "2", "--json", "--dry-run"});
  EXPECT_EQ(json::parse(dry.out)["files_base64"], json({"/zEucG5n", "/zIucG5n"}));
  const Outcome plain = draw("caf\xc3\xa9.png", {"--json"});
  EXPECT_FALSE(json::parse(plain.out)["pictures"][0].contains("file_base64")) << plain.out;
  const Outcome path = draw(name + "2", {"--format", "png"});
  EXPECT_EQ(path.out, name + "2\n") << "the exact bytes";
}

// A full disk, a closed stream, one that is only read, and the limit of a file's size.
TEST_F(Places, WhatCanNotBePrintedIsAFailure) {
  ASSERT_EQ(draw("a.png", {"--dry-run"}).status, 0);
  ASSERT_EQ(
      run({"generate", "a cat", "-m", small_checkpoint().string(), "--size", "128x128", "--steps", "1", "-o", "a.png"})
          .status,
      0);
  const std::vector<Arguments> commands = {{"info", "a.png"},
                                           {"info", "a.png", "--json"},
                                           {"devices"},
                                           {"completion", "bash"},
                                           {"man"},
                                           {"weights", "inspect", small_checkpoint().string(), "-q"},
                                           {"weights", "verify", small_checkpoint().string()},
                                           {"--version"},
                                           {"--help"},
                                           {"generate", "--help"},
                                           arguments("b.png", {"--dry-run", "--json"})};
  for (const Arguments& command : commands) {
    for (const std::string to : {">/dev/full", ">&-", "1</dev/null"}) {
      expect(shell("\"$@\" " + to, command), 1, {"standard output can't be written ("});
    }
    expect(shell("(ulimit -f 0; \"$@\" >printed)", command), 1, {""});
    EXPECT_EQ(shell("\"$@\"", command).status, 0);
  }
  // A reader that has gone is a failure, but for names of pictures, which are in their files.
  for (Arguments command : commands) {
    EXPECT_EQ(unread_by_anyone("", command).status, 128 + SIGPIPE) << command[0];
    expect(unread_by_anyone("trap '' PIPE", command), 1, {"standard output can't be written (Broken pipe)"});
  }
  for (const Arguments& more : {Arguments{}, Arguments{"--json"}}) {
    EXPECT_EQ(unread_by_anyone("", arguments("d.png", more)).status, 0);
    EXPECT_TRUE(fs::remove(folder_ / "d.png"));
  }
  EXPECT_EQ(shell("\"$@\" 2>/dev/full", arguments("b.png", {"--dry-run"})).status, 1);
  expect(shell("\"$@\" >&-", arguments("-")), 1, {"standard output: can't be written"});
  EXPECT_EQ(shell("\"$@\" >&- 2>&- <&-", arguments("c.png", {"--dump", "d"})).status, 1);
  expect_picture(folder_ / "c.png");
}

}  // namespace
}  // namespace glm
