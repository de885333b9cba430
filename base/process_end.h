#pragma once

namespace glm {

// begin_process_end() says that the process has begun to end, because exit() was called or main() has returned. Static
// objects are about to be destroyed, LibTorch's too, so nothing may compute any more. From then on process_is_ending()
// is true. Both may be called from any thread.
void begin_process_end();
bool process_is_ending();

}  // namespace glm
