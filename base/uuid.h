// UUIDs (RFC 9562), by libuuid.
#pragma once

#include <string>

namespace glm {

// Returns a random UUID, version 4: "bb7d4356-03ae-481b-b687-68f3c4f7a00f".
std::string new_uuid();

// Says whether `text` is a UUID of version 4 and nothing else, in upper or lower case.
bool is_uuid4(const std::string& text);

}  // namespace glm
