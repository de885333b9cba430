#include "tests/network/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace glm {
namespace {

std::string read_all(int descriptor, bool one_line) {
  std::string text;
  char bytes[4096];
  for (ssize_t count = 0; (count = ::read(descriptor, bytes, sizeof bytes)) > 0;) {
    text.append(bytes, static_cast<size_t>(count));
    if (one_line && text.ends_with('\n')) break;
  }
  return text;
}

}  // namespace

Server::Server(const std::string& certificate) {
  int input[2];
  int output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  child_ = ::fork();
  if (child_ == 0) {
    ::dup2(input[0], STDIN_FILENO);
    ::dup2(output[1], STDOUT_FILENO);
    ::execlp("python3", "python3", GLM_SERVER, certificate.empty() ? nullptr : certificate.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  port_ = static_cast<uint16_t>(std::stoi(read_all(output[0], true)));
  ::close(output[0]);
}

Server::~Server() {
  ::close(input_);
  ::waitpid(child_, nullptr, 0);
}

// Without the network under test.
std::string Server::ask(const std::string& path) const {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
    throw std::runtime_error("the server of the tests has gone");
  }
  const std::string text = read_all(descriptor, false);
  ::close(descriptor);
  return text.substr(text.find("\r\n\r\n") + 4);
}

}  // namespace glm
