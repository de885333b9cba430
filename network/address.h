// Addresses of machines, and which of them are public.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

struct sockaddr;

namespace glm {

// An IPv6 address in network order. An IPv4 address stands in its mapped form, ::ffff:a.b.c.d.
using Address = std::array<uint8_t, 16>;

// Reads "192.0.2.1" or "2001:db8::1", without brackets, port and zone. Returns nothing for any other text.
std::optional<Address> parse_address(const std::string& text);

// Returns nothing for a family that is neither IPv4 nor IPv6.
std::optional<Address> address_of(const sockaddr* socket_address);

// Returns what parse_address() reads.
std::string address_text(const Address& address);

// Returns the same, with an IPv6 address in brackets, as URLs have it.
std::string host_text(const Address& address);

// 127.0.0.0/8 and ::1
bool is_loopback(const Address& address);

// Says whether the address belongs to a machine of the public internet. Addresses of this machine, of its network, of
// its cloud's own services and of groups don't, and neither do reserved ranges. A translator (NAT64) turns some IPv6
// addresses into IPv4 addresses; each of these is treated as its IPv4 address. Addresses of abandoned schemes (6to4,
// Teredo, IPv4-compatible) aren't public.
bool is_global(const Address& address);

}  // namespace glm
