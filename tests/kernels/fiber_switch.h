// Several stacks in one thread, and the way from one to another.
#pragma once

#include <cstddef>

namespace glm::simt::host {

struct Stack {
  void* pointer = nullptr;  // where it was left
  const void* bottom = nullptr;
  size_t bytes = 0;
  void* shadow = nullptr;  // AddressSanitizer's
};

// A stack in the `bytes` from `bottom` on, on which `main` will run. It has to call arrive() first and never to return.
Stack new_stack(char* bottom, size_t bytes, void (*main)());

// The first that a new stack does; `from`: the one it was come from.
void arrive(Stack& from);

// Leaves `from`, for good or until somebody switches to it, and goes on where `to` was left.
void switch_stack(Stack& from, const Stack& to, bool for_good = false);

}  // namespace glm::simt::host
