// Measures how fast a device is.
#pragma once

#include <algorithm>
#include <chrono>

#include "engine/device/device.h"

namespace glm {

// Calls `call` several times, and waits for the device each time. Returns the seconds of the fastest call.
template <typename Call>
double shortest_time(at::Device device, int tries, const Call& call) {
  double least = 1e9;
  for (int i = 0; i < tries; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    call();
    synchronize(device);
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return least;
}

}  // namespace glm
