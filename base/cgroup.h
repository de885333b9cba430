// The control groups that this process is in.
#pragma once

#include <functional>
#include <string>

namespace glm {

// Calls `each` with the folder of every group that this process is in, of version 2 and of each hierarchy of version 1:
// the roots, then its own groups and their parents. A limit of any of them holds for the process.
void for_each_cgroup(const std::function<void(const std::string& folder)>& each);

}  // namespace glm
