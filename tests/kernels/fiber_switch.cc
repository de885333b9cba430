#include "tests/kernels/fiber_switch.h"

#include <algorithm>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the caller's registers and stack pointer at *from and goes on where `to` was saved. By hand, since swapcontext
// makes a system call each time, and blocks of 1,024 threads change fibers a million times. x86-64 only.
extern "C" void glm_switch_fiber(void** from, void* to);
asm(R"(
.text
.globl glm_switch_fiber
.type glm_switch_fiber, @function
glm_switch_fiber:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size glm_switch_fiber, .-glm_switch_fiber
)");

namespace glm::simt::host {

Stack new_stack(char* bottom, size_t bytes, void (*main)()) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(bottom, bytes);  // of a fiber that was given up there
#endif
  auto** top = reinterpret_cast<void**>(bottom + bytes);
  top[-1] = nullptr;  // where main would return to
  top[-2] = reinterpret_cast<void*>(main);
  std::fill(top - 8, top - 2, nullptr);
  return {.pointer = top - 8, .bottom = bottom, .bytes = bytes};
}

void arrive([[maybe_unused]] Stack& from) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &from.bottom, &from.bytes);
#endif
}

void switch_stack(Stack& from, const Stack& to, [[maybe_unused]] bool for_good) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(for_good ? nullptr : &from.shadow, to.bottom, to.bytes);
#endif
  glm_switch_fiber(&from.pointer, to.pointer);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(from.shadow, nullptr, nullptr);
#endif
}

}  // namespace glm::simt::host
