// A web server of the tests, in a process of its own (server.py).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace glm {

class Server {
 public:
  // `certificate`: a file with a key and a certificate, for https.
  explicit Server(const std::string& certificate = "");
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const { return port_; }
  std::string place() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url(const std::string& path) const { return "http://" + place() + path; }

  // The requests since the last call, each as its head and its body.
  std::string requests() const { return ask("/requests"); }
  int connections() const { return std::stoi(ask("/connections")); }

 private:
  std::string ask(const std::string& path) const;

  pid_t child_ = 0;
  int input_ = -1;
  uint16_t port_ = 0;
};

}  // namespace glm
