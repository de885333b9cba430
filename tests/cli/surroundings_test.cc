// The program in a machine of any state: libraries' variables, few threads, no /proc, no working folder, a broken
// driver.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "tests/base/refusal.h"
#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using Environment = std::map<std::string, std::string>;

const std::string kProgram = GLM_BINARY_DIR "/glm-image";

// Runs a script in the shell. "$G": the program.
Outcome in_shell(const std::string& script, const fs::path& folder = "/") {
  return run_program({"-c", script}, {.folder = folder, .environment = {{"G", kProgram}}, .program = "/bin/sh"});
}

class SurroundingsOf : public testing::Test {
 protected:
  // A picture in bfloat16, whose bits don't depend on the number of threads.
  Outcome draw(const Arguments& more, const Environment& environment) {
    Arguments all = small_picture(folder_ / "a.png", {"--dtype", "bfloat16", "--no-metadata"});
    all.insert(all.end(), more.begin(), more.end());
    return run_program(all, {.environment = environment});
  }
  std::string picture() { return read_file(folder_ / "a.png"); }

  TemporaryFolder folder_;
};

using Threads = SurroundingsOf;
using Libraries = SurroundingsOf;

TEST_F(Threads, AreNeverMoreThanOpenMpGives) {
  ASSERT_EQ(draw({"--threads", "1"}, {}).status, 0);
  const std::string alone = picture();
  for (const Environment& environment :
       {Environment{{"OMP_THREAD_LIMIT", "1"}}, Environment{{"OMP_THREAD_LIMIT", "2"}},
        Environment{{"OMP_DYNAMIC", "true"}}, Environment{{"OMP_MAX_ACTIVE_LEVELS", "0"}},
        Environment{{"OMP_NUM_THREADS", "1"}}, Environment{{"OMP_NUM_THREADS", "x"}},
        Environment{{"OMP_THREAD_LIMIT", "3"}, {"OMP_WAIT_POLICY", "passive"}}, Environment{{"MKL_NUM_THREADS", "1"}},
        Environment{{"OMP_STACKSIZE", "16k"}}, Environment{{"GOMP_STACKSIZE", "64G"}},
        Environment{{"GOMP_CPU_AFFINITY", "1000-1003"}}, Environment{{"OMP_PLACES", "{0}"}, {"OMP_PROC_BIND", "true"}},
        Environment{{"OMP_STACKSIZE", "4 M"}}}) {
    const Outcome outcome = draw({"--threads", "5"}, environment);
    const auto& [name, value] = *environment.begin();
    EXPECT_EQ(outcome.status, 0) << name << outcome.err;
    EXPECT_TRUE(picture() == alone) << name << "=" << value;
    const bool fewer = name == "OMP_THREAD_LIMIT" || name == "OMP_MAX_ACTIVE_LEVELS";
    EXPECT_EQ(outcome.err.find("of 5 threads, because OpenMP") != std::string::npos, fewer) << outcome.err;
  }
}

TEST_F(Threads, AreFewerWhereTheSystemGivesNoMore) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become a user without processes";
  fs::permissions(folder_.path(), fs::perms::all);
  for (const char* limit : {"4", "7", "12"}) {
    const Outcome outcome =
        in_shell("exec setpriv --reuid=54321 --clear-groups prlimit --nproc=" + std::string(limit) +
                 " \"$G\" generate 'a cat' --steps 1 --size 128x128 -m " + small_checkpoint().string() +
                 " --threads 12 -y -o " + (folder_ / "a.png").string());
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("of 12 threads, because the system gives no more (see ulimit -u"), std::string::npos)
        << outcome.err;
  }
}

TEST_F(Libraries, SayNothing) {
  for (const Environment& environment :
       {Environment{{"MKL_VERBOSE", "1"}, {"ONEDNN_VERBOSE", "1"}, {"DNNL_VERBOSE", "2"}},
        Environment{{"OMP_DISPLAY_ENV", "true"}, {"OMP_DISPLAY_AFFINITY", "true"}},
        Environment{{"OMP_NUM_THREADS", "many"}, {"OMP_THREAD_LIMIT", "-"}, {"GOMP_SPINCOUNT", "y"}},
        Environment{{"OMP_DISPLAY_ENV", "true"}, {"OMP_WAIT_POLICY", "active"}}}) {
    const Outcome outcome = draw({"--threads", "2", "-q"}, environment);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "") << environment.begin()->first;
    EXPECT_EQ(outcome.out, (folder_ / "a.png").string() + "\n") << environment.begin()->first;
  }
}

TEST_F(SurroundingsOf, NoWorkingFolder) {
  const std::string gone = "mkdir gone && cd gone && rmdir ../gone && ";
  EXPECT_EQ(in_shell(gone + "exec \"$G\" --version", folder_.path()).out.rfind("glm-image ", 0), 0U);
  EXPECT_EQ(in_shell(gone + "exec \"$G\" devices", folder_.path()).status, 0);
  const std::string draw = "exec \"$G\" generate 'a cat' --steps 1 --size 128x128 --threads 1 -s 1 -m " +
                           small_checkpoint().string() + " -o ";
  const Outcome whole = in_shell(gone + draw + (folder_ / "a.png").string(), folder_.path());
  EXPECT_EQ(whole.status, 0) << whole.err;
  const Outcome relative = in_shell(gone + draw + "a.png", folder_.path());
  EXPECT_EQ(relative.status, 1);
  EXPECT_NE(relative.err.find("glm-image: a.png: can't be written"), std::string::npos) << relative.err;
}

// The program starts itself again, and is found by its own name afterwards. It waits for its standard input here.
TEST_F(SurroundingsOf, AListOfProcessesShowsItsName) {
  const Outcome named = in_shell(
      "mkfifo p; \"$G\" info - <p & exec 3>p; n=0\n"
      "until tr '\\0' '\\n' </proc/$!/environ | grep -q TORCH_CPP_LOG_LEVEL=FATAL || [ $((n += 1)) -gt 500 ]; do sleep "
      "0.02; done\n"
      "sleep 0.1; cat /proc/$!/comm; exec 3>&-; wait",
      folder_.path());
  EXPECT_EQ(named.out, "glm-image\n") << named.err;
}

TEST_F(SurroundingsOf, NoProcAndNoSys) {
  const std::string hidden = "mount -t tmpfs none /proc && mount -t tmpfs none /sys && ";
  if (in_shell("exec unshare -m sh -c '" + hidden + "true'").status != 0) GTEST_SKIP() << "no right to hide /proc";
  const auto run = [&](const std::string& what) { return in_shell("exec unshare -m sh -c '" + hidden + what + "'"); };
  const Outcome plan = run("exec \"$G\" generate cat --dry-run --threads 1 --device cpu");
  EXPECT_EQ(plan.status, 0) << plan.err;
  EXPECT_NE(plan.err.find("unknown how much is free"), std::string::npos) << plan.err;
  EXPECT_EQ(plan.err.find("cpuinfo"), std::string::npos) << plan.err;
  EXPECT_EQ(plan.err.find("too little"), std::string::npos) << plan.err;
  EXPECT_NE(run("exec \"$G\" generate cat --dry-run --json --threads 1").out.find(R"("free_bytes":null)"),
            std::string::npos);
  const fs::path program = folder_ / "prefix/bin/glm-image";
  const fs::path model = folder_ / "prefix/share/glm-image/models/nano";
  fs::create_directories(program.parent_path());
  fs::create_directories(model);
  fs::copy_file(kProgram, program);
  fs::copy(nano(), model, fs::copy_options::recursive);
  std::ofstream(model / "glm_image.json") << R"({"width": 160, "height": 128})";
  const Outcome installed =
      run("cd " + program.parent_path().string() + " && exec ./glm-image generate cat --dry-run --threads 1");
  EXPECT_NE(installed.err.find("160x128"), std::string::npos) << "the model beside the program: " << installed.err;
  const Outcome drawn =
      run("exec \"$G\" generate cat --steps 1 --size 128x128 --threads 1 -q -o " + (folder_ / "b.png").string());
  EXPECT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_EQ(drawn.err, "");
}

// LibTorch takes its slowest kernels there, which compute slightly different numbers.
TEST_F(SurroundingsOf, NoCpuinfoGivesTheSamePicture) {
  const auto drawn = [&](const std::string& hide, const std::string& name) {
    const std::string file = (folder_ / name).string();
    const Outcome outcome = in_shell("exec unshare -m sh -c '" + hide + "exec \"$G\" generate cat --steps 2 -s 1 " +
                                     "--size 128x128 --threads 1 -q --no-metadata -o " + file + "'");
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return read_bytes(file);
  };
  const std::string hidden = "mount --bind /dev/null /proc/cpuinfo && ";
  if (in_shell("exec unshare -m sh -c '" + hidden + "true'").status != 0) GTEST_SKIP() << "no right to hide it";
  const std::string picture = drawn("", "a.png");
  EXPECT_TRUE(drawn(hidden, "b.png") == picture) << "it is empty";
  EXPECT_TRUE(drawn("mount -t tmpfs none /proc && ", "c.png") == picture) << "there is no /proc";
}

TEST_F(SurroundingsOf, ADriverThatCannotStartIsTold) {
  const auto with = [](const char* driver, const Arguments& arguments) {
    return run_program(arguments,
                       {.environment = {{"LD_LIBRARY_PATH", GLM_BINARY_DIR "/driver"}, {"GLM_TEST_DRIVER", driver}}});
  };
  const Arguments draw = small_picture(folder_ / "a.png");
  const Outcome broken = with("803", {"devices"});
  EXPECT_EQ(broken.status, 0);
  EXPECT_NE(broken.out.find("error 803: system has unsupported display driver"), std::string::npos) << broken.out;
  EXPECT_NE(broken.out.find("--device auto takes cpu"), std::string::npos) << broken.out;
  const Outcome drawn = with("803", draw);
  EXPECT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_NE(drawn.err.find("error 803"), std::string::npos) << drawn.err;
  Arguments on_gpu = draw;
  on_gpu.insert(on_gpu.end(), {"--device", "cuda"});
  const Outcome refused = with("803", on_gpu);
  EXPECT_EQ(refused.status, 5);
  EXPECT_NE(refused.err.find("error 803"), std::string::npos) << refused.err;
  EXPECT_NE(with("803", {"kernels"}).err.find("error 803"), std::string::npos);
  EXPECT_EQ(with("100", draw).err.find("driver"), std::string::npos) << "no GPU is no error";

  const Outcome old = with("75 0 61", {"devices"});
  for (const char* text : {"Card 75", "Card 61", "cuda:0 can't be used", "found 7.5", "cuda:1 can't be used",
                           "error 999", "cuda:2 can't be used", "found 6.1", "--device auto takes cpu"}) {
    EXPECT_NE(old.out.find(text), std::string::npos) << text << "\n" << old.out;
  }
  for (const Outcome& all : {with("75 0 61", draw), with("75 0 61", on_gpu)}) {
    for (const char* text : {"Card 75 is not used", "GPU 1 is not used", "Card 61 is not used"}) {
      EXPECT_NE(all.err.find(text), std::string::npos) << text << "\n" << all.err;
    }
  }
}

}  // namespace
}  // namespace glm
