#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "glm/cancel.h"
#include "network/address.h"

namespace glm {

// Looks the name up once. Returns all its addresses, and none where it has none or `deadline` comes first. Throws
// Error(cancelled) within 50 ms. The system's lookup can't be ended, so a thread of its own is left behind with it.
std::vector<Address> resolve(const std::string& host, std::chrono::steady_clock::time_point deadline,
                             const CancelToken* cancel);

}  // namespace glm
