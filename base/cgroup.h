// The control groups that this process is in.
#pragma once

#include <functional>
#include <string>

namespace glm {

// Calls `each` with the folder of every group of the unified hierarchy that this process is in: the root first, then
// its own group and that group's parents. A limit of any of them holds for the process.
void for_each_cgroup(const std::function<void(const std::string& folder)>& each);

}  // namespace glm
