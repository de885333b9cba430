#include "network/network.h"

namespace glm {

Network::Network(const std::vector<std::string>& /*allowed_hosts*/) {}

}  // namespace glm
