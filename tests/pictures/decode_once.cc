// Reads one picture and says what became of it and what that took:  decode_once FILE [RAW]
// The pixels go to RAW. "64x48 17 MB 0.01 s", or the message that refuses it and the same two numbers.
#include <sys/resource.h>

#include <fstream>
#include <iostream>
#include <string>

#include "glm/error.h"
#include "glm/picture_file.h"
#include "tests/support/sanitizer.h"

namespace {

// Of this program alone: what getrusage() says has the caller's in it.
long most_kilobytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word && word != "VmHWM:") {
  }
  long kilobytes = 0;
  status >> kilobytes;
  return kilobytes;
}

double seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

}  // namespace

int main(int count, char** arguments) {
  // What runs away ends here, and not the machine.
  const rlimit memory{.rlim_cur = rlim_t{1} << 30, .rlim_max = rlim_t{1} << 30};
  if (!glm::kSanitized) setrlimit(RLIMIT_AS, &memory);
  const rlimit time{.rlim_cur = 20, .rlim_max = 20};
  setrlimit(RLIMIT_CPU, &time);
  std::string outcome;
  try {
    const glm::Image image = glm::read_picture(arguments[1]);
    outcome = std::to_string(image.width) + "x" + std::to_string(image.height);
    if (count > 2) {
      const auto size = static_cast<std::streamsize>(image.rgb.size());
      std::ofstream(arguments[2], std::ios::binary).write(reinterpret_cast<const char*>(image.rgb.data()), size);
    }
  } catch (const glm::Error& e) {
    outcome = e.what();
  }
  std::cout << outcome << "\n" << most_kilobytes() << " " << seconds() << "\n";
}
