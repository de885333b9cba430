#include "base/free_memory.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "base/cgroup.h"

namespace glm {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// The number after `key` in a file of "key number" lines, or -1.
int64_t number_in(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  std::string name;
  for (int64_t value = 0; in >> name >> value; in.ignore(kNoLimit, '\n')) {
    if (name == key) return value;
  }
  return -1;
}

// Bytes that the control group at `folder` may still take. Cached file pages count as free: the kernel can drop
// them.
int64_t left_in(const std::string& folder) {
  int64_t limit = 0;
  int64_t used = 0;
  if (!(std::ifstream(folder + "/memory.max") >> limit)) return kNoLimit;  // "max", or no such group
  if (!(std::ifstream(folder + "/memory.current") >> used)) return kNoLimit;
  const int64_t cached = std::max<int64_t>(number_in(folder + "/memory.stat", "inactive_file"), 0) +
                         std::max<int64_t>(number_in(folder + "/memory.stat", "active_file"), 0);
  return std::max<int64_t>(limit - used + std::min(cached, used), 0);
}

// Bytes that the limit of the address space (ulimit -v) leaves.
int64_t left_of_address_space() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur >= static_cast<rlim_t>(kNoLimit)) return kNoLimit;
  int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return std::max<int64_t>(static_cast<int64_t>(limit.rlim_cur) - pages * ::sysconf(_SC_PAGESIZE), 0);
}

}  // namespace

int64_t free_memory() {
  const int64_t kilobytes = number_in("/proc/meminfo", "MemAvailable:");
  int64_t least = kilobytes < 0 ? kNoLimit : kilobytes * 1024;
  least = std::min(least, left_of_address_space());
  for_each_cgroup([&](const std::string& folder) { least = std::min(least, left_in(folder)); });
  // Memory that this process has freed and malloc hasn't given back to the system counts, too.
  return least == kNoLimit ? least : least + static_cast<int64_t>(::mallinfo2().fordblks);
}

}  // namespace glm
