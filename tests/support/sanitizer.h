// Whether this build runs under AddressSanitizer (`./test.sh --sanitize`): its address space can't be limited, it takes
// several times the memory and the time, and holds what is freed back for a while. Tests of such limits ask here.
#pragma once

namespace glm {

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace glm
