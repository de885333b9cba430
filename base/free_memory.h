#pragma once

#include <cstdint>

namespace glm {

// Returns the bytes that this process can still take before the kernel has to end a process: what the machine has free
// or can free, or less where a control group or a limit of the address space allows less. -1: unknown, because
// there is no /proc.
int64_t free_memory();

}  // namespace glm
