// The state of a thread's arithmetic, which belongs to the host.
#pragma once

#include <cfenv>

namespace glm {

// While it lives, the calling thread computes as C++ begins: no signal at a division by zero, rounding to the nearest,
// small numbers as they are. Afterwards all is as the host had it.
class OwnArithmetic {
 public:
  OwnArithmetic() {
    std::fegetenv(&host_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~OwnArithmetic() { std::fesetenv(&host_); }
  OwnArithmetic(const OwnArithmetic&) = delete;
  OwnArithmetic& operator=(const OwnArithmetic&) = delete;

 private:
  std::fenv_t host_{};
};

}  // namespace glm
