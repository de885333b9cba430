#include "network/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace glm {
namespace {

struct Range {
  const char* first;
  int bits;  // how many of its leading bits all its addresses share, counted as `first` is written
};

// What isn't public of IPv4: IANA's special-purpose registry, multicast, and services of clouds within public ranges.
constexpr Range kSpecialIpv4[] = {
    {"0.0.0.0", 8},         // this network
    {"10.0.0.0", 8},        // private
    {"100.64.0.0", 10},     // shared behind a carrier's NAT; Alibaba's metadata
    {"127.0.0.0", 8},       // loopback
    {"168.63.129.16", 32},  // Azure's wire server
    {"169.254.0.0", 16},    // link-local; the metadata of most clouds
    {"172.16.0.0", 12},     // private
    {"192.0.0.0", 24},      // protocol assignments; Oracle's metadata
    {"192.0.2.0", 24},      // documentation
    {"192.31.196.0", 24},   // AS112, a sink for reverse lookups
    {"192.52.193.0", 24},   // AMT, relays of multicast
    {"192.88.99.0", 24},    // relays of 6to4
    {"192.168.0.0", 16},    // private
    {"192.175.48.0", 24},   // AS112
    {"198.18.0.0", 15},     // benchmarks
    {"198.51.100.0", 24},   // documentation
    {"203.0.113.0", 24},    // documentation
    {"224.0.0.0", 3},       // multicast, reserved, broadcast
};

constexpr Range kUnicast = {"2000::", 3};  // of IPv6, all that has been given out

// What isn't public of it.
constexpr Range kSpecialIpv6[] = {
    {"2001::", 23},          // protocol assignments: Teredo, benchmarks, ORCHID, AMT, AS112
    {"2001:db8::", 32},      // documentation
    {"2002::", 16},          // 6to4
    {"2620:4f:8000::", 48},  // AS112
    {"3fff::", 20},          // documentation
};

constexpr Range kMapped = {"::ffff:0:0", 96};
constexpr Range kNat64 = {"64:ff9b::", 96};
constexpr Range kLoopbackIpv4 = {"127.0.0.0", 8};
constexpr Range kLoopbackIpv6 = {"::1", 128};

constexpr size_t kIpv4At = 12;  // where an IPv4 address begins in those that hold one

Address mapped(const uint8_t* ipv4) {
  Address address{};
  address[10] = address[11] = 0xff;
  std::copy_n(ipv4, 4, address.begin() + kIpv4At);
  return address;
}

bool is_in(const Address& address, const Range& range) {
  const Address first = *parse_address(range.first);
  const bool ipv4 = std::strchr(range.first, ':') == nullptr;
  const int bits = range.bits + (ipv4 ? 96 : 0);
  for (int bit = 0; bit < bits; ++bit) {
    if (((address[bit / 8] ^ first[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

}  // namespace

std::optional<Address> parse_address(const std::string& text) {
  Address address;
  if (::inet_pton(AF_INET6, text.c_str(), address.data()) == 1) return address;
  uint8_t ipv4[4];
  if (::inet_pton(AF_INET, text.c_str(), ipv4) == 1) return mapped(ipv4);
  return std::nullopt;
}

std::optional<Address> address_of(const sockaddr* socket_address) {
  Address address;
  if (socket_address->sa_family == AF_INET6) {
    std::memcpy(address.data(), &reinterpret_cast<const sockaddr_in6*>(socket_address)->sin6_addr, address.size());
    return address;
  }
  if (socket_address->sa_family != AF_INET) return std::nullopt;
  uint8_t ipv4[4];
  std::memcpy(ipv4, &reinterpret_cast<const sockaddr_in*>(socket_address)->sin_addr, sizeof ipv4);
  return mapped(ipv4);
}

std::string address_text(const Address& address) {
  char text[INET6_ADDRSTRLEN];
  const bool ipv4 = is_in(address, kMapped);
  return ::inet_ntop(ipv4 ? AF_INET : AF_INET6, address.data() + (ipv4 ? kIpv4At : 0), text, sizeof text);
}

std::string host_text(const Address& address) {
  const std::string text = address_text(address);
  return text.find(':') == std::string::npos ? text : "[" + text + "]";
}

bool is_loopback(const Address& address) {
  return is_in(address, kLoopbackIpv4) || is_in(address, kLoopbackIpv6);
}

bool is_global(const Address& address) {
  const auto holds = [&](const Range& range) { return is_in(address, range); };
  if (holds(kNat64)) return is_global(mapped(address.data() + kIpv4At));
  if (holds(kMapped)) return std::none_of(std::begin(kSpecialIpv4), std::end(kSpecialIpv4), holds);
  return holds(kUnicast) && std::none_of(std::begin(kSpecialIpv6), std::end(kSpecialIpv6), holds);
}

}  // namespace glm
