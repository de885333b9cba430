#include "base/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

namespace glm {
namespace {

// Cores' worth of time that the control group at `folder` may use, or a huge number without a limit.
double quota(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string limit;
  double period = 0;
  if (!(file >> limit >> period) || limit == "max" || period <= 0) return 1e9;
  return std::atof(limit.c_str()) / period;
}

double smallest_quota() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  double least = quota("/sys/fs/cgroup");
  while (std::getline(file, line)) {
    if (!line.starts_with("0::")) continue;  // the unified hierarchy
    for (std::string path = line.substr(3); path.size() > 1; path.resize(path.rfind('/'))) {
      least = std::min(least, quota("/sys/fs/cgroup" + path));
    }
  }
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
