#include "base/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include "base/cgroup.h"

namespace glm {
namespace {

constexpr double kNoLimit = 1e9;

// Returns how many cores' time the control group at `folder` may use, or a huge number where the group has no limit.
double quota(const std::string& folder) {
  std::string limit;  // "max" is none
  double time = 0;
  double period = 0;
  std::ifstream both(folder + "/cpu.max");
  if (both >> limit >> period && period > 0) return limit == "max" ? kNoLimit : std::atof(limit.c_str()) / period;
  // Version 1 has two files, and -1 for no limit.
  std::ifstream(folder + "/cpu.cfs_quota_us") >> time;
  std::ifstream(folder + "/cpu.cfs_period_us") >> period;
  return time > 0 && period > 0 ? time / period : kNoLimit;
}

double smallest_quota() {
  double least = kNoLimit;
  for_each_cgroup([&](const std::string& folder) { least = std::min(least, quota(folder)); });
  return least;
}

}  // namespace

int cpu_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  return std::max(1, static_cast<int>(std::min(static_cast<double>(cores), std::floor(smallest_quota()))));
}

}  // namespace glm
