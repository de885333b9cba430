// The resolver and the ways of this test program, which stand in the system's place.
#pragma once

#include <string>
#include <vector>

namespace glm {

// getaddrinfo() of this program knows these names only, and this program connects to 127.0.0.1 only. A name's answers
// come one after the other, and the last one stays. What libcurl asks counts as well.
class Resolver {
 public:
  Resolver();
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  void answer(const std::string& name, const std::vector<std::vector<std::string>>& answers);
  // Lookups of this name wait until the object ends.
  void hang(const std::string& name);
  // Connections to this address go to that port of 127.0.0.1. Others that leave the machine are refused.
  void lead(const std::string& address, uint16_t port);
  // The system gives no thread.
  void give_no_thread();
  // libcurl isn't told the checked addresses.
  void forget_pins();

  static std::vector<std::string> lookups();
  // Was each connection begun by a thread that no SIGPIPE reaches?
  static bool quiet();
  // Where the program tried to connect to, as ADDRESS:PORT.
  static std::vector<std::string> connections();
};

}  // namespace glm
