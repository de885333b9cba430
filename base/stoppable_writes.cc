#include "base/stoppable_writes.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr int kPause = 50;  // milliseconds until the token is looked at again

thread_local const CancelToken* t_token = nullptr;

void check_stopped(const fs::path& file) {
  if (t_token == nullptr || !t_token->cancelled()) return;
  throw Error(ErrorCode::cancelled, file.string() + ": can't be written (interrupted, while nobody read it)");
}

}  // namespace

StoppableWrites::StoppableWrites(const CancelToken* token) : before_(t_token) {
  t_token = token;
}

StoppableWrites::~StoppableWrites() {
  t_token = before_;
}

int open_for_reader(const fs::path& file) {
  for (;;) {
    // Such an open fails at once where a pipe has no reader.
    const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    const int error = errno;
    struct stat status {};
    if (descriptor >= 0) {
      ::fcntl(descriptor, F_SETFL, O_WRONLY);  // some devices only know writes that wait
      return descriptor;
    }
    const bool waits =
        error == EINTR || (error == ENXIO && ::stat(file.c_str(), &status) == 0 && S_ISFIFO(status.st_mode));
    errno = error;
    if (!waits) return -1;
    check_stopped(file);
    ::poll(nullptr, 0, kPause);
  }
}

bool write_to_reader(int descriptor, const fs::path& name, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    pollfd room{.fd = descriptor, .events = POLLOUT, .revents = 0};
    if (::poll(&room, 1, kPause) <= 0) {
      check_stopped(name);
      continue;
    }
    // A pipe that has room takes so many bytes without waiting.
    const ssize_t n = ::write(descriptor, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    if (n < 0 && errno != EINTR && errno != EAGAIN) return false;
    bytes = bytes.subspan(static_cast<size_t>(std::max<ssize_t>(n, 0)));
  }
  return true;
}

}  // namespace glm
