#pragma once

namespace glm {

// Returns how many threads are worth starting, at least 1: as many as there are cores that this process may run on, or
// fewer where a control group's cpu.max allows less time.
int cpu_count();

}  // namespace glm
