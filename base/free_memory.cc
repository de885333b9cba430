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

// Returns the number after `key` in a file of "key number" lines, or -1.
int64_t number_in(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  std::string name;
  for (int64_t value = 0; in >> name >> value; in.ignore(kNoLimit, '\n')) {
    if (name == key) return value;
  }
  return -1;
}

// Returns the first number in a file, or -1.
int64_t first_number(const std::string& file) {
  int64_t number = 0;
  return std::ifstream(file) >> number ? number : -1;
}

// Returns how many bytes the control group at `folder` may still take. Cached file pages count as free, because the
// kernel can drop them. Version 1 has other names for the files, and a number of nearly 2^63 where version 2 has "max".
int64_t left_in(const std::string& folder) {
  int64_t limit = kNoLimit;
  for (const char* file : {"/memory.max", "/memory.high", "/memory.limit_in_bytes"}) {
    const int64_t own = first_number(folder + file);
    if (own >= 0 && own < kNoLimit / 2) limit = std::min(limit, own);
  }
  const int64_t used =
      std::max(first_number(folder + "/memory.current"), first_number(folder + "/memory.usage_in_bytes"));
  if (limit == kNoLimit || used < 0) return kNoLimit;
  int64_t cached = 0;
  for (const std::string kind : {"inactive_file", "active_file"}) {
    // In version 1 the numbers that begin with total_ include the groups below.
    cached += std::max(
        {int64_t{0}, number_in(folder + "/memory.stat", kind), number_in(folder + "/memory.stat", "total_" + kind)});
  }
  return std::max<int64_t>(limit - used + std::min(cached, used), 0);
}

// Returns how many bytes the limit of the address space (ulimit -v) leaves.
int64_t left_of_address_space() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur >= static_cast<rlim_t>(kNoLimit)) return kNoLimit;
  const int64_t pages = first_number("/proc/self/statm");
  if (pages < 0) return kNoLimit;
  return std::max<int64_t>(static_cast<int64_t>(limit.rlim_cur) - pages * ::sysconf(_SC_PAGESIZE), 0);
}

}  // namespace

int64_t free_memory() {
  const int64_t kilobytes = number_in("/proc/meminfo", "MemAvailable:");
  int64_t least = kilobytes < 0 ? kNoLimit : kilobytes * 1024;
  least = std::min(least, left_of_address_space());
  for_each_cgroup([&](const std::string& folder) { least = std::min(least, left_in(folder)); });
  // Memory that this process has freed and malloc hasn't given back to the system counts, too.
  return least == kNoLimit ? -1 : least + static_cast<int64_t>(::mallinfo2().fordblks);
}

}  // namespace glm
