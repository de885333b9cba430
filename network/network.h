// The way to other machines: only to hosts that the user names, and only to addresses that are public or named, too.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "glm/cancel.h"
#include "network/address.h"

namespace glm {

class Url;

enum class SendMethod { post, put };

struct NetworkLimits {
  std::chrono::milliseconds connecting{10'000};  // to look the name up and to connect
  std::chrono::milliseconds whole{30'000};       // with that
  size_t received_bytes = size_t{32} << 20;
};

// Every function may be called from any number of threads at once.
//
// A call looks the host's name up once. Each address found has to be public, or an allowed one itself; the name
// localhost stands for the loopback addresses. The connection goes to these addresses and no others, without a proxy.
// Redirects aren't followed, certificates are verified, and nothing is kept from one call for the next.
//
// No message quotes a URL's path, query or credentials. Each error has one of these codes:
// - usage: trying again won't help. A host that isn't allowed, an address that isn't public, a redirect, a status of
//   4xx but 408, 425 and 429, a certificate that can't be verified, too large an answer.
// - io: it may work later. All others; a name that doesn't exist and a port where nobody answers have the same text, so
//   that it tells nobody which there are.
// - cancelled: within about 100 ms.
class Network {
 public:
  // Each is HOST or HOST:PORT: a name, an IPv4 address or an IPv6 address in brackets. Without a port it means the
  // usual one of http and https. Throws Error(usage) for anything else.
  explicit Network(const std::vector<std::string>& allowed_hosts, const NetworkLimits& limits = {});

  // Throws Error(usage) for a URL that get() and send() would refuse by its text. Asks no other machine.
  void check(const std::string& url) const;

  // Returns the body of the answer, as it came. `cancel` may be null.
  std::vector<uint8_t> get(const std::string& url, const CancelToken* cancel) const;

  // Sends `body` with this Content-Type. Returns once the server has answered with a status of 200 to 299. `within`:
  // takes at most this long, where this is less than the limit for all.
  void send(SendMethod method, const std::string& url, const std::string& content_type, std::span<const uint8_t> body,
            const CancelToken* cancel, std::optional<std::chrono::milliseconds> within = {}) const;

 private:
  struct AllowedHost {
    std::string host;
    std::optional<Address> address;
    std::optional<uint16_t> port;
  };

  static AllowedHost parse_allowed(const std::string& entry);
  static bool has_port(const AllowedHost& allowed, const Url& url);
  Url parse_allowed_url(const std::string& url) const;
  bool may_connect(const Url& url, const Address& address) const;
  std::vector<Address> addresses_of(const Url& url, std::chrono::steady_clock::time_point deadline,
                                    const CancelToken* cancel) const;

  NetworkLimits limits_;
  std::vector<AllowedHost> allowed_;
};

}  // namespace glm
