#pragma once

#include <cstdint>

namespace glm {

// Returns the bytes that this process can still take before the kernel has to end a process: what the machine has free
// or can free, or less where a control group's memory.max or a limit of the address space allows less.
int64_t free_memory();

}  // namespace glm
