#pragma once

namespace glm {

// The process has begun to end: exit() was called, or main() has returned. Static objects are about to be destroyed,
// LibTorch's too, so nothing may compute any more. Once begun, it never ends otherwise. Any thread may ask.
void begin_process_end();
bool process_is_ending();

}  // namespace glm
