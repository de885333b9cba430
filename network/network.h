// The way to other machines: only to hosts that the user names, and only to addresses that are public or named, too.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "glm/cancel.h"

namespace glm {

enum class SendMethod { post, put };

class Network {
 public:
  explicit Network(const std::vector<std::string>& allowed_hosts);
};

}  // namespace glm
