#include "base/cgroup.h"

#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace glm {
namespace {

// Says whether `name` is one of the words between commas.
bool has_word(std::string_view words, std::string_view name) {
  while (true) {
    const size_t end = words.find(',');
    if (words.substr(0, end) == name) return true;
    if (end == std::string_view::npos) return false;
    words.remove_prefix(end + 1);
  }
}

// A hierarchy of control groups: where it is mounted, the group that the mount shows as its root, and its controllers.
struct Hierarchy {
  std::string mount, root, controllers;
  bool unified;  // version 2, whose groups have all controllers
};

// Reads the hierarchies from /proc/self/mountinfo. A line of it:
// "36 25 0:31 /root /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
std::vector<Hierarchy> hierarchies() {
  std::vector<Hierarchy> all;
  std::ifstream file("/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    std::string skipped, root, mount, kind, source, options;
    std::istringstream(line) >> skipped >> skipped >> skipped >> root >> mount;
    std::istringstream(line.substr(separator + 3)) >> kind >> source >> options;
    if (kind == "cgroup" || kind == "cgroup2") all.push_back({mount, root, options, kind == "cgroup2"});
  }
  if (!all.empty()) return all;
  const std::string usual = "/sys/fs/cgroup";  // where they are even if /proc isn't there
  return {{usual, "/", "", true}, {usual + "/cpu", "/", "cpu", false}, {usual + "/memory", "/", "memory", false}};
}

// Says whether a line's list of controllers ("cpu,cpuacct", or "" for version 2) belongs to the hierarchy.
bool belongs(const std::string& controllers, const Hierarchy& hierarchy) {
  if (controllers.empty() || hierarchy.unified) return controllers.empty() && hierarchy.unified;
  return has_word(hierarchy.controllers, controllers.substr(0, controllers.find(',')));
}

}  // namespace

void for_each_cgroup(const std::function<void(const std::string& folder)>& each) {
  const std::vector<Hierarchy> all = hierarchies();
  for (const Hierarchy& hierarchy : all) each(hierarchy.mount);
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "4:cpu,cpuacct:/a/b", "0::/a/b"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    for (const Hierarchy& hierarchy : all) {
      if (!belongs(controllers, hierarchy)) continue;
      std::string path = line.substr(second + 1);
      if (hierarchy.root.size() > 1 && path.starts_with(hierarchy.root)) path.erase(0, hierarchy.root.size());
      for (; path.size() > 1; path.resize(path.rfind('/'))) each(hierarchy.mount + path);
    }
  }
}

}  // namespace glm
