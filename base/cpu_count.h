#pragma once

namespace glm {

// Threads worth starting: the cores this process may run on, or fewer where a cgroup's cpu.max allows less time. >= 1
int cpu_count();

}  // namespace glm
