// Prepares the process before the libraries start, which they do before main(). LibTorch brings some that print lines
// of their own, and one that ends the process when there is no working folder.
#include "cli/before_main.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <vector>

extern "C" bool cpuinfo_initialize();  // LibTorch's

namespace glm::cli {
namespace {

int g_standard_error = -1;  // a copy of the user's standard error; -1: it wasn't changed
int g_folder = -1;          // the working folder, which has been removed; -1: it wasn't changed

// These make LibTorch's libraries print what they do, some of them on standard output.
constexpr std::array kTalkers = {"MKL_VERBOSE",    "ONEDNN_VERBOSE",       "DNNL_VERBOSE",
                                 "MKLDNN_VERBOSE", "OMP_DISPLAY_AFFINITY", "OMP_DISPLAY_ENV"};
// Lets waiting OpenMP threads spin for about 0.1 ms before they sleep. On an idle machine nano's steps take half as
// long again if they sleep at once. On a busy machine two threads that spin for longer are 2 to 50 times slower than
// one.
constexpr std::string_view kSpin = "GOMP_SPINCOUNT=10000";
constexpr std::string_view kQuiet = "TORCH_CPP_LOG_LEVEL=FATAL";  // LibTorch's warnings go nowhere

// LibTorch asks /proc/cpuinfo which instructions there are. Where it is missing, LibTorch would take its slowest
// kernels, which draw a slightly different picture. So the processor is asked here, by LibTorch's own rule.
const char* kernels_without_cpuinfo() {
  char first = 0;
  const int file = ::open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
  const bool is_there = file >= 0 && ::read(file, &first, 1) == 1;
  if (file >= 0) ::close(file);
  __builtin_cpu_init();
  if (is_there || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return nullptr;
  const bool wide =
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  return wide ? "ATEN_CPU_CAPABILITY=avx512" : "ATEN_CPU_CAPABILITY=avx2";
}

bool is_named(std::string_view entry, std::string_view name) {
  return entry.starts_with(name) && entry.substr(name.size()).starts_with('=');
}

constexpr const char* kOwnFile = "/proc/self/exe";  // even where its name leads to another file meanwhile

// Starts the program once more with the environment that its libraries need, unless it has that. What is added to an
// environment before main() doesn't reach them, because the C library takes the original one when it starts. Where the
// program can't be started again, it goes on with what it has.
void start_again_quietly(char** arguments, char** environment) {
  std::vector<char*> wanted;
  bool waits = false;
  bool quiet = false;
  bool talks = false;
  bool chosen = false;  // which kernels LibTorch takes
  for (char** entry = environment; *entry != nullptr; ++entry) {
    // The user may want threads to wait otherwise.
    waits = waits || is_named(*entry, "OMP_WAIT_POLICY") || is_named(*entry, "GOMP_SPINCOUNT");
    quiet = quiet || kQuiet == *entry;
    chosen = chosen || is_named(*entry, "ATEN_CPU_CAPABILITY");
    const bool talker =
        std::any_of(kTalkers.begin(), kTalkers.end(), [&](const char* name) { return is_named(*entry, name); });
    if (!talker && (kQuiet == *entry || !is_named(*entry, "TORCH_CPP_LOG_LEVEL"))) wanted.push_back(*entry);
    talks = talks || talker;
  }
  const char* const kernels = chosen ? nullptr : kernels_without_cpuinfo();
  if (waits && quiet && !talks && kernels == nullptr) return;
  if (!waits) wanted.push_back(const_cast<char*>(kSpin.data()));
  if (!quiet) wanted.push_back(const_cast<char*>(kQuiet.data()));
  if (kernels != nullptr) wanted.push_back(const_cast<char*>(kernels));
  wanted.push_back(nullptr);
  ::execve(kOwnFile, arguments, wanted.data());
  // Without /proc: by the name that the kernel was given.
  ::execve(started_as(), arguments, wanted.data());
}

void before_libraries(int /*argc*/, char** arguments, char** environment) {
  start_again_quietly(arguments, environment);
  // The kernel has named the process after the file that it was started by, and ps and pgrep show that: "exe".
  if (std::strcmp(started_as(), kOwnFile) == 0) ::prctl(PR_SET_NAME, "glm-image");
  int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere < 0) nowhere = ::memfd_create("nowhere", MFD_CLOEXEC);  // some sandboxes have no devices
  g_standard_error = nowhere < 0 ? -1 : ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (g_standard_error >= 0) ::dup2(nowhere, STDERR_FILENO);
  if (nowhere >= 0) ::close(nowhere);

  char path[PATH_MAX];
  if (::getcwd(path, sizeof path) == nullptr) {
    g_folder = ::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (::chdir("/") != 0) ::close(g_folder);
  }
}
__attribute__((section(".preinit_array"), used)) void (*const kBeforeLibraries)(int, char**, char**) = before_libraries;

}  // namespace

const char* started_as() {
  const auto* const name = std::bit_cast<const char*>(::getauxval(AT_EXECFN));
  return name != nullptr ? name : "";
}

void libraries_have_started() {
  cpuinfo_initialize();  // it complains of a machine without /proc or /sys when it is first asked
  if (g_standard_error >= 0) {
    ::dup2(g_standard_error, STDERR_FILENO);
    ::close(g_standard_error);
  }
  if (g_folder >= 0 && ::fchdir(g_folder) == 0) ::close(g_folder);
}

}  // namespace glm::cli
