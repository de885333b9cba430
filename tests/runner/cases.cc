// Tests that end in every way a test can, for runner_test.py: no test of ours runs them otherwise.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace {

TEST(Ends, Well) {
  std::printf("no line break at the end");
}

TEST(Ends, Badly) {
  std::printf("printed before\n");
  EXPECT_EQ(1, 2) << "said in the assertion";
}

TEST(Ends, Skipped) {
  GTEST_SKIP() << "no moon\nover this machine";
}

TEST(Ends, InACrash) {
  std::fputs("printed before the crash\n", stderr);
  std::raise(SIGSEGV);
}

TEST(Ends, TheProgram) {
  std::exit(0);
}

// The test starts a process that holds the program's output open for longer than the test may take.
TEST(Ends, Never) {
  if (::fork() == 0) ::sleep(1000);
  for (;;) ::sleep(1000);
}

TEST(Ends, ButNotWhatItStarted) {
  if (::fork() == 0) {
    ::sleep(1000);
    ::_exit(0);
  }
}

class Named : public testing::TestWithParam<int> {};
TEST_P(Named, ByItsParameter) {
  EXPECT_NE(GetParam(), 2);
}
INSTANTIATE_TEST_SUITE_P(Numbers, Named, testing::Values(1, 2, 3));

// Chosen by a variable, for they end every run.
class AtTheEnd : public testing::Environment {
  void TearDown() override {
    if (std::getenv("CASES_EXIT") != nullptr) std::exit(3);
  }
};
const testing::Environment* const kAtTheEnd = testing::AddGlobalTestEnvironment(new AtTheEnd);

const int kAtTheStart = [] {
  if (std::getenv("CASES_NO_START") != nullptr) std::exit(4);
  return 0;
}();

}  // namespace
