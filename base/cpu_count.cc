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

// How many cores' time the control group at `folder` may use; a huge number where it has no limit.
double quota(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string limit;
  double period = 0;
  if (!(file >> limit >> period) || limit == "max" || period <= 0) return 1e9;
  return std::atof(limit.c_str()) / period;
}

double smallest_quota() {
  double least = 1e9;
  for_each_cgroup([&](const std::string& folder) { least = std::min(least, quota(folder)); });
  return least;
}

}  // namespace

int cpu_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  return std::max(1, static_cast<int>(std::min(static_cast<double>(cores), std::ceil(smallest_quota()))));
}

}  // namespace glm
