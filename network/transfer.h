// One request and its answer, by libcurl.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "glm/cancel.h"
#include "network/address.h"
#include "network/url.h"

namespace glm {

struct Deadlines {
  std::chrono::steady_clock::time_point connecting;
  std::chrono::steady_clock::time_point whole;
};

struct Outgoing {
  const char* method;
  const std::string& content_type;
  std::span<const uint8_t> body;
};

// Both connect to these addresses only. Their errors are those of Network.
std::vector<uint8_t> fetch(const Url& url, const std::vector<Address>& addresses, const Deadlines& deadlines,
                           size_t most_bytes, const CancelToken* cancel);
void deliver(const Url& url, const std::vector<Address>& addresses, const Deadlines& deadlines,
             const Outgoing& outgoing, const CancelToken* cancel);

// The one text for all ways in which no connection comes about.
[[noreturn]] void refuse_unreachable(const Url& url);

}  // namespace glm
