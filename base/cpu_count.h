#pragma once

namespace glm {

// Returns how many threads are worth starting, at least 1: as many as there are cores that this process may run on, or
// fewer where a control group allows less time. Parts of a core's time don't count: a thread that has to wait for its
// time makes all others wait.
int cpu_count();

}  // namespace glm
