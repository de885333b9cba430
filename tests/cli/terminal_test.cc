// The bar on a terminal, and Ctrl-C.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <regex>
#include <thread>

#include "tests/cli/program.h"

namespace glm {
namespace {

constexpr const char* kClear = "\r\033[K";

Arguments with(Arguments all, const Arguments& more) {
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// What each redrawing of the line showed.
std::vector<std::string> lines(const std::string& seen) {
  std::vector<std::string> all;
  const std::string clear = kClear;
  for (size_t at = seen.find(clear); at != std::string::npos;) {
    const size_t next = seen.find(clear, at + clear.size());
    all.push_back(seen.substr(at + clear.size(), next == std::string::npos ? next : next - at - clear.size()));
    at = next;
  }
  return all;
}

// Tests that need a terminal say so where there is none, instead of passing.
class OnTerminal : public testing::Test {
 protected:
  void SetUp() override {
    if (!Terminal::available()) GTEST_SKIP() << "this machine has no pseudo terminals";
  }
};

using Bar = OnTerminal;
using Interrupted = OnTerminal;
using Shown = OnTerminal;

TEST_F(Bar, ShowsStageCountRateAndWhatIsLeftThenGoes) {
  const TemporaryFolder folder;
  Terminal terminal(small_picture(folder / "a.png", {"--size", "256x256", "--steps", "40"}));
  EXPECT_EQ(terminal.finish(), 0);
  const std::string& seen = terminal.seen();
  for (const char* stage : {"tokens [", "glyphs [", "steps [", "pixels ["}) {
    EXPECT_NE(seen.find(stage), std::string::npos) << stage;
  }
  const std::regex bar(R"(steps \[#*\.*\] \d+/40  \d+\.\d(/s| s each)  \d+:\d\d left)");
  EXPECT_TRUE(std::regex_search(seen, bar)) << seen;
  EXPECT_NE(seen.find("steps [........................] 0/40"), std::string::npos) << seen;
  EXPECT_NE(seen.find("steps [########################] 40/40"), std::string::npos) << seen;
  const std::vector<std::string> shown = lines(seen);
  ASSERT_FALSE(shown.empty());
  EXPECT_EQ(shown.back().find("seed 7  256x256"), 0U) << "the bar is still there: " << shown.back();
}

TEST_F(Bar, IsNeverWiderThanTheTerminal) {
  const TemporaryFolder folder;
  for (const unsigned short columns : {80, 30, 8}) {
    Terminal::Kind kind;
    kind.columns = columns;
    Terminal terminal(small_picture(folder / "a.png", {"--size", "256x256", "--steps", "20"}), kind);
    EXPECT_EQ(terminal.finish(), 0);
    std::vector<std::string> shown = lines(terminal.seen());
    ASSERT_GT(shown.size(), 3U);
    shown.pop_back();  // the last line of all
    for (const std::string& line : shown) EXPECT_LT(line.size(), columns) << line;
  }
}

TEST_F(Bar, IsNotThereWhenUnwantedOrInTheWay) {
  const TemporaryFolder folder;
  Terminal quiet(small_picture(folder / "a.png", {"-q"}));
  EXPECT_EQ(quiet.finish(), 0);
  EXPECT_EQ(quiet.seen(), (folder / "a.png").string() + "\r\n");
  Terminal::Kind dumb;
  dumb.term = "dumb";
  Terminal editor(small_picture(folder / "a.png"), dumb);
  EXPECT_EQ(editor.finish(), 0);
  EXPECT_EQ(editor.seen().find('\033'), std::string::npos) << editor.seen();
  const Outcome piped = run_program(small_picture(folder / "a.png"));
  EXPECT_EQ(piped.err.rfind("seed 7  128x128  (tokens ", 0), 0U) << piped.err;
  EXPECT_EQ(std::count(piped.err.begin(), piped.err.end(), '\n'), 1) << piped.err;
}

struct Stop {
  const char* name;
  const char* stage;  // sent when the bar shows this
  int signal;
  Arguments arguments;
};

void PrintTo(const Stop& stop, std::ostream* out) {
  *out << stop.stage;
}

std::string reference() {
  return (std::filesystem::path(GLM_SOURCE_DIR) / "tests/pictures/goldens/files/bit.png").string();
}

class Interrupt : public OnTerminal, public testing::WithParamInterface<Stop> {};

TEST_P(Interrupt, StopsAndLeavesNoFile) {
  const TemporaryFolder folder;
  Terminal terminal(
      with(small_picture(folder / "a.png", {"--dump", (folder / "dump").string()}), GetParam().arguments));
  ASSERT_TRUE(terminal.wait_for(GetParam().stage)) << terminal.seen();
  const auto begin = std::chrono::steady_clock::now();
  terminal.send(GetParam().signal);
  EXPECT_EQ(terminal.finish(), 128 + GetParam().signal) << terminal.seen();
  EXPECT_EQ(terminal.ended_by(), GetParam().signal) << "its parent doesn't see that it was interrupted";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_NE(terminal.seen().find("glm-image: interrupted; no picture was written"), std::string::npos);
  EXPECT_TRUE(names_in(folder.path()).empty());
}

INSTANTIATE_TEST_SUITE_P(
    Stage, Interrupt,
    testing::Values(
        Stop{"tokens", "tokens [##", SIGINT, {"--size", "1024x1024"}},
        Stop{"tokens_terminated", "tokens [##", SIGTERM, {"--size", "1024x1024"}},
        Stop{"references", "references [", SIGINT, {"--steps", "1000", "-i", reference(), "-i", reference()}},
        Stop{"references_terminated", "references [", SIGTERM, {"--steps", "1000", "-i", reference()}},
        Stop{"steps", "steps [", SIGINT, {"--size", "256x256", "--steps", "1000"}},
        Stop{"steps_hung_up", "steps [", SIGHUP, {"--size", "256x256", "--steps", "1000"}},
        Stop{"steps_terminated", "steps [", SIGTERM, {"--size", "256x256", "--steps", "1000"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Interrupted, TwiceQuitsAtOnce) {
  const TemporaryFolder folder;
  // The decoder is one long unit of work, so the first signal can't have stopped the program yet.
  write_safetensors(folder / "latents", {{"latents.final_scaled", at::zeros({1, 16, 192, 192})}}, {});
  Terminal terminal(
      small_picture(folder / "a.png", {"--size", "1536x1536", "--inject", (folder / "latents").string()}));
  ASSERT_TRUE(terminal.wait_for("pixels [")) << terminal.seen();
  std::this_thread::sleep_for(
      std::chrono::milliseconds(50));  // the bar is drawn just before the program asks for signals
  terminal.send(SIGINT);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  terminal.send(SIGINT);
  EXPECT_EQ(terminal.finish(), 128 + SIGINT) << terminal.seen();
  EXPECT_EQ(terminal.seen().find("interrupted"), std::string::npos) << "it stopped by itself: " << terminal.seen();
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"latents"});
}

TEST_F(Interrupted, KeepsThePicturesThatAreFinished) {
  const TemporaryFolder folder;
  Terminal terminal(small_picture(folder / "p%d.png", {"--size", "256x256", "--steps", "200", "-b", "3"}));
  ASSERT_TRUE(terminal.wait_for("steps [")) << terminal.seen();
  while (names_in(folder.path()) != std::vector<std::string>{"p1.png"}) {
    ASSERT_TRUE(names_in(folder.path()).size() < 2);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  terminal.send(SIGINT);
  EXPECT_EQ(terminal.finish(), 130) << terminal.seen();
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"p1.png"});
  EXPECT_NE(terminal.seen().find((folder / "p1.png").string() + "\r\n"), std::string::npos) << terminal.seen();
  EXPECT_NE(terminal.seen().find("interrupted; 1 of 3 pictures were written"), std::string::npos) << terminal.seen();
}

// A shell ends its loop only when it sees that the signal ended the program.
TEST_F(Interrupted, EndsAShellsLoop) {
  const TemporaryFolder folder;
  std::string line = GLM_BINARY_DIR "/glm-image";
  for (const std::string& word : small_picture(folder / "a.png", {"--size", "256x256", "--steps", "1000"})) {
    line += " '" + word + "'";
  }
  Terminal terminal({"-c", "for i in 1 2 3; do " + line + "; echo round $i; done"}, {.program = "/bin/bash"});
  ASSERT_TRUE(terminal.wait_for("steps [")) << terminal.seen();
  terminal.type("\x03");
  terminal.finish();
  EXPECT_NE(terminal.seen().find("interrupted; no picture was written"), std::string::npos) << terminal.seen();
  EXPECT_EQ(terminal.seen().find("round"), std::string::npos) << terminal.seen();
}

// What a terminal that says so shows: the picture's bytes in its own protocol.
TEST_F(Shown, ByKittysProtocol) {
  const TemporaryFolder folder;
  Terminal::Kind kind;
  kind.term = "xterm-kitty";
  Terminal terminal(small_picture(folder / "a.png", {"--show"}), kind);
  EXPECT_EQ(terminal.finish(), 0);
  EXPECT_NE(terminal.seen().find("\033_Ga=T,f=100,m=1;iVBORw0KGgo"), std::string::npos);
  EXPECT_NE(terminal.seen().find("\033_Gm=0;"), std::string::npos) << "the last part";
}

TEST_F(Shown, ByIterms) {
  const TemporaryFolder folder;
  Terminal::Kind kind;
  kind.environment = {{"TERM_PROGRAM", "iTerm.app"}};
  Terminal terminal(small_picture(folder / "a.png", {"--show"}), kind);
  EXPECT_EQ(terminal.finish(), 0);
  EXPECT_NE(terminal.seen().find("\033]1337;File=inline=1;size="), std::string::npos);
  EXPECT_NE(terminal.seen().find(":iVBORw0KGgo"), std::string::npos);
}

TEST_F(Shown, BySixelWhenTheTerminalSaysThatItCan) {
  const TemporaryFolder folder;
  Terminal terminal(small_picture(folder / "a.png", {"--show"}));
  ASSERT_TRUE(terminal.wait_for("\033[c")) << terminal.seen();
  terminal.type("\033[?62;4;22c");
  EXPECT_EQ(terminal.finish(), 0);
  const size_t begin = terminal.seen().find("\033P");
  ASSERT_NE(begin, std::string::npos) << terminal.seen();
  EXPECT_NE(terminal.seen().find("\033\\", begin), std::string::npos) << "the end";
  EXPECT_GT(terminal.seen().size(), 5000U);
}

TEST_F(Shown, NotWhereItCanNotBe) {
  const TemporaryFolder folder;
  Terminal terminal(small_picture(folder / "a.png", {"--show"}));
  ASSERT_TRUE(terminal.wait_for("\033[c")) << terminal.seen();
  terminal.type("\033[?62;22c");
  EXPECT_EQ(terminal.finish(), 0);
  EXPECT_EQ(terminal.seen().find("\033P"), std::string::npos);
  const Outcome piped = run_program(small_picture(folder / "a.png", {"--show"}));
  EXPECT_EQ(piped.status, 0);
  EXPECT_EQ((piped.out + piped.err).find('\033'), std::string::npos) << piped.err;
  EXPECT_NE(piped.err.find("warning: --show: standard error is no terminal"), std::string::npos) << piped.err;
  EXPECT_NE(terminal.seen().find("warning: --show: this terminal shows no pictures"), std::string::npos);
}

TEST_F(Shown, NotFromTheBackgroundWhichIsToldAndGoesOn) {
  const TemporaryFolder folder;
  std::string line = GLM_BINARY_DIR "/glm-image";
  for (const std::string& word : small_picture(folder / "a.png", {"--show"})) line += " '" + word + "'";
  Terminal terminal({"-c", "set -m; " + line + " & wait $!; echo status $?; kill -9 $! 2>/dev/null"},
                    {.program = "/bin/bash"});
  terminal.finish();
  EXPECT_NE(terminal.seen().find("status 0"), std::string::npos) << terminal.seen();
  EXPECT_NE(terminal.seen().find("--show: the terminal can't be asked for its kind from the background"),
            std::string::npos)
      << terminal.seen();
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.png"});
}

// A multiplexer drops what it doesn't know, so the variables of the terminal behind it count for nothing.
TEST_F(Shown, ThroughAMultiplexerOnlyWhatItSaysItCan) {
  struct Between {
    const char* name;
    Terminal::Kind kind;
  };
  for (const Between& between :
       {Between{"tmux", {.term = "screen-256color", .environment = {{"TMUX", "/x,1,0"}, {"KITTY_WINDOW_ID", "1"}}}},
        Between{"tmux", {.term = "tmux-256color", .environment = {{"TERM_PROGRAM", "iTerm.app"}}}},
        Between{"screen", {.term = "screen", .environment = {{"STY", "1.x"}, {"TERM_PROGRAM", "WezTerm"}}}},
        Between{"zellij", {.environment = {{"ZELLIJ", "0"}, {"TERM_PROGRAM", "ghostty"}}}}}) {
    for (const char* answer : {"\033[?1;2c", "\033[?62;4c"}) {
      const TemporaryFolder folder;
      Terminal terminal(small_picture(folder / "a.png", {"--show"}), between.kind);
      ASSERT_TRUE(terminal.wait_for("\033[c")) << terminal.seen();
      terminal.type(answer);
      EXPECT_EQ(terminal.finish(), 0);
      const bool can = std::string(answer).find('4') != std::string::npos;
      EXPECT_EQ(terminal.seen().find("\033_G"), std::string::npos);
      EXPECT_EQ(terminal.seen().find("\033]1337"), std::string::npos);
      EXPECT_EQ(terminal.seen().find("\033P") != std::string::npos, can);
      const std::string said = std::string("--show: ") + between.name + ", which stands before the terminal, shows no";
      EXPECT_EQ(terminal.seen().find(said) == std::string::npos, can) << terminal.seen();
    }
  }
}

TEST_F(Interrupted, NotWhenTheSignalIsIgnoredByTheShell) {
  const TemporaryFolder folder;
  Terminal::Kind kind;
  kind.ignores_interrupts = true;
  Terminal terminal(small_picture(folder / "a.png", {"--size", "256x256", "--steps", "20"}), kind);
  ASSERT_TRUE(terminal.wait_for("steps ["));
  terminal.send(SIGINT);
  EXPECT_EQ(terminal.finish(), 0) << terminal.seen();
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a.png"});
}

}  // namespace
}  // namespace glm
