#include "tests/cli/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/support/checkpoints.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

std::vector<char*> pointers(Arguments& all) {
  std::vector<char*> result;
  for (std::string& text : all) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// No option may come from the tester's own surroundings.
void clean_environment() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.starts_with("GLM_IMAGE_")) names.push_back(text.substr(0, text.find('=')));
  }
  for (const std::string& name : names) ::unsetenv(name.c_str());
  for (const char* name : {"KITTY_WINDOW_ID", "TERM_PROGRAM", "TMUX", "STY", "ZELLIJ", "NO_COLOR"}) ::unsetenv(name);
  ::setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
}

int ended_with(pid_t process) {
  int status = 0;
  if (::waitpid(process, &status, 0) != process) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void open_as(int descriptor, const fs::path& file, int flags) {
  const int opened = ::open(file.c_str(), flags, 0600);
  if (opened < 0 || ::dup2(opened, descriptor) < 0) ::_exit(126);
  ::close(opened);
}

int pipe_without_reader() {
  int ends[2];
  if (::pipe(ends) != 0) ::_exit(126);
  ::close(ends[0]);
  return ends[1];
}

}  // namespace

Outcome run_program(const Arguments& arguments, const Surroundings& around) {
  const TemporaryFolder folder;
  std::ofstream(folder / "in", std::ios::binary) << around.input;
  Arguments all = {around.program.string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const std::vector<char*> argv = pointers(all);
  const fs::path in = folder / "in";
  const fs::path out = around.output.empty() ? folder / "out" : around.output;
  const fs::path err = folder / "err";

  const pid_t process = ::fork();
  if (process == 0) {
    open_as(STDIN_FILENO, in, O_RDONLY);
    open_as(STDOUT_FILENO, out, O_WRONLY | O_CREAT);
    open_as(STDERR_FILENO, err, O_WRONLY | O_CREAT);
    if (around.nobody_reads) {
      const int closed = pipe_without_reader();
      ::dup2(closed, STDOUT_FILENO);
      ::dup2(closed, STDERR_FILENO);
    }
    if (!around.folder.empty() && ::chdir(around.folder.c_str()) != 0) ::_exit(126);
    clean_environment();
    ::setenv("TMPDIR", folder.path().c_str(), 1);  // pictures that can't be written go there
    for (const auto& [name, value] : around.environment) ::setenv(name.c_str(), value.c_str(), 1);
    const rlimit size{static_cast<rlim_t>(around.file_size), static_cast<rlim_t>(around.file_size)};
    if (around.file_size > 0 && ::setrlimit(RLIMIT_FSIZE, &size) != 0) ::_exit(126);
    const rlimit limit{static_cast<rlim_t>(around.memory), static_cast<rlim_t>(around.memory)};
    if (around.memory > 0 && ::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  Outcome outcome{.status = ended_with(process), .out = {}, .err = {}};
  if (around.output.empty()) outcome.out = read_file(out);
  outcome.err = read_file(err);
  return outcome;
}

bool Terminal::available() {
  int master = -1;
  int slave = -1;
  if (::openpty(&master, &slave, nullptr, nullptr, nullptr) != 0) return false;
  ::close(master);
  ::close(slave);
  return true;
}

Terminal::Terminal(const Arguments& arguments, const Kind& kind) {
  Arguments all = {kind.program.string()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const std::vector<char*> argv = pointers(all);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = kind.columns;
  process_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
  if (process_ < 0) throw std::runtime_error(std::string("no pseudo terminal: ") + std::strerror(errno));
  if (process_ == 0) {
    clean_environment();
    ::setenv("TERM", kind.term.c_str(), 1);
    for (const auto& [name, value] : kind.environment) ::setenv(name.c_str(), value.c_str(), 1);
    std::signal(SIGINT, kind.ignores_interrupts ? SIG_IGN : SIG_DFL);  // tests in the background ignore it
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
}

Terminal::~Terminal() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ended_with(process_);
  }
  ::close(terminal_);
}

bool Terminal::read_some() {
  char bytes[4096];
  const ssize_t n = ::read(terminal_, bytes, sizeof bytes);
  if (n <= 0) return false;  // a terminal whose program ended gives EIO
  seen_.append(bytes, static_cast<size_t>(n));
  return true;
}

bool Terminal::wait_for(const std::string& text) {
  while (seen_.find(text) == std::string::npos) {
    if (!read_some()) return false;
  }
  return true;
}

void Terminal::send(int signal) const {
  ::kill(process_, signal);
}

void Terminal::type(const std::string& text) const {
  if (::write(terminal_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    throw std::runtime_error(std::string("nothing can be typed: ") + std::strerror(errno));
  }
}

int Terminal::finish() {
  while (read_some()) {
  }
  int status = 0;
  const bool ended = ::waitpid(process_, &status, 0) == process_;
  process_ = -1;
  if (!ended) return -1;
  ended_by_ = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return ended_by_ > 0 ? 128 + ended_by_ : WEXITSTATUS(status);
}

std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

fs::path small_checkpoint() {
  return checkpoint_folder("a");
}

fs::path nano() {
  return fs::path(GLM_SOURCE_DIR) / "models/nano";
}

Arguments small_picture(const fs::path& file, const Arguments& more) {
  Arguments all = {"generate",  "a cat",
                   "-m",        small_checkpoint().string(),
                   "--size",    "128x128",
                   "--steps",   "2",
                   "--seed",    "7",
                   "--threads", "1",
                   "-y",        "--no-metadata",
                   "-o",        file.string()};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace glm
