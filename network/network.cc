#include "network/network.h"

#include <algorithm>

#include "base/refuse.h"
#include "base/text.h"
#include "network/resolve.h"
#include "network/transfer.h"
#include "network/url.h"

namespace glm {

using std::chrono::steady_clock;

Network::Network(const std::vector<std::string>& allowed_hosts, const NetworkLimits& limits) : limits_(limits) {
  for (const std::string& entry : allowed_hosts) allowed_.push_back(parse_allowed(entry));
}

// Reads it with the parser of URLs, so that a host means the same in both.
Network::AllowedHost Network::parse_allowed(const std::string& entry) {
  const bool bare_ipv6 = entry.find(':') != std::string::npos && parse_address(entry);
  try {
    if (entry.find_first_of("/?#") != std::string::npos) throw Error(ErrorCode::usage, "");
    const Url url("http://" + (bare_ipv6 ? "[" + entry + "]" : entry));
    return {url.host(), url.address(), url.written_port()};
  } catch (const Error&) {
    // A whole URL may hold a secret.
    const bool has_more = entry.find_first_of("/?#@") != std::string::npos;
    refuse("--allow-host", "HOST or HOST:PORT, such as example.com:8080",
           has_more ? "an address with more than that" : "'" + shortened(entry, 100) + "'");
  }
}

bool Network::has_port(const AllowedHost& allowed, const Url& url) {
  return allowed.port ? *allowed.port == url.port() : url.has_usual_port();
}

Url Network::parse_allowed_url(const std::string& text) const {
  Url url(text);
  const bool named = std::any_of(allowed_.begin(), allowed_.end(), [&](const AllowedHost& allowed) {
    return has_port(allowed, url) && allowed.host == url.host();
  });
  if (!named) refuse("the URL's host", "one that --allow-host names", url.place());
  return url;
}

bool Network::may_connect(const Url& url, const Address& address) const {
  if (is_global(address) || (url.host() == "localhost" && is_loopback(address))) return true;
  return std::any_of(allowed_.begin(), allowed_.end(),
                     [&](const AllowedHost& allowed) { return allowed.address == address && has_port(allowed, url); });
}

std::vector<Address> Network::addresses_of(const Url& url, steady_clock::time_point deadline,
                                           const CancelToken* cancel) const {
  std::vector<Address> addresses =
      url.address() ? std::vector<Address>{*url.address()} : resolve(url.host(), deadline, cancel);
  if (addresses.empty()) refuse_unreachable(url);
  for (const Address& address : addresses) {
    if (may_connect(url, address)) continue;
    refuse(url.place(), "public addresses only, or ones that --allow-host names", "another address behind the name");
  }
  return addresses;
}

void Network::check(const std::string& url) const {
  parse_allowed_url(url);
}

std::vector<uint8_t> Network::get(const std::string& text, const CancelToken* cancel) const {
  const steady_clock::time_point now = steady_clock::now();
  const Url url = parse_allowed_url(text);
  const Deadlines deadlines = {now + limits_.connecting, now + limits_.whole};
  return fetch(url, addresses_of(url, deadlines.connecting, cancel), deadlines, limits_.received_bytes, cancel);
}

void Network::send(SendMethod method, const std::string& text, const std::string& content_type,
                   std::span<const uint8_t> body, const CancelToken* cancel,
                   std::optional<std::chrono::milliseconds> within) const {
  const steady_clock::time_point now = steady_clock::now();
  const Url url = parse_allowed_url(text);
  const std::chrono::milliseconds whole = std::min(within.value_or(limits_.whole), limits_.whole);
  const Deadlines deadlines = {now + std::min(limits_.connecting, whole), now + whole};
  const Outgoing outgoing = {method == SendMethod::put ? "PUT" : "POST", content_type, body};
  deliver(url, addresses_of(url, deadlines.connecting, cancel), deadlines, outgoing, cancel);
}

}  // namespace glm
