#include "base/cgroup.h"

#include <fstream>

namespace glm {

void for_each_cgroup(const std::function<void(const std::string& folder)>& each) {
  const std::string root = "/sys/fs/cgroup";
  each(root);
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::")) continue;  // the unified hierarchy's line
    for (std::string path = line.substr(3); path.size() > 1; path.resize(path.rfind('/'))) each(root + path);
  }
}

}  // namespace glm
