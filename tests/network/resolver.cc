#include "tests/network/resolver.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdarg>
#include <cstring>
#include <map>
#include <mutex>

#include "network/address.h"

namespace {

struct World {
  std::mutex mutex;
  std::condition_variable changed;
  bool in_place = false;
  std::map<std::string, std::vector<std::vector<std::string>>> answers;
  std::map<std::string, uint16_t> ways;
  std::vector<std::string> hanging;
  std::vector<std::string> lookups;
  std::vector<std::string> connections;
  bool quiet = true;
  bool forgets_pins = false;
  std::atomic<bool> gives_threads = true;
};

// Never destroyed: a lookup may be left behind at the program's end.
World& world() {
  static World& world = *new World;
  return world;
}

template <typename Function>
Function* system_function(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

addrinfo* entry_of(const std::string& text, addrinfo* next) {
  addrinfo* entry = nullptr;
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  const auto real = system_function<decltype(::getaddrinfo)>("getaddrinfo");
  if (real(text.c_str(), nullptr, &hints, &entry) != 0) return next;
  entry->ai_next = next;
  return entry;
}

}  // namespace

#pragma GCC visibility push(default)

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** result) {
  World& w = world();
  std::unique_lock lock(w.mutex);
  if (!w.in_place) return system_function<decltype(::getaddrinfo)>("getaddrinfo")(name, service, hints, result);
  w.lookups.emplace_back(name);
  w.changed.wait(lock, [&] { return std::find(w.hanging.begin(), w.hanging.end(), name) == w.hanging.end(); });
  const auto found = w.answers.find(name);
  if (found == w.answers.end()) return EAI_NONAME;
  const std::vector<std::string> texts = found->second.front();
  if (found->second.size() > 1) found->second.erase(found->second.begin());
  *result = nullptr;
  for (auto text = texts.rbegin(); text != texts.rend(); ++text) *result = entry_of(*text, *result);
  return 0;
}

extern "C" int connect(int descriptor, const sockaddr* address, socklen_t size) {
  const auto real = system_function<decltype(::connect)>("connect");
  const auto wanted = glm::address_of(address);
  World& w = world();
  const std::lock_guard lock(w.mutex);
  if (!w.in_place || !wanted) return real(descriptor, address, size);
  // The port is at the same place in both families.
  const std::string text = glm::address_text(*wanted);
  const uint16_t port = ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
  sigset_t blocked;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  w.quiet &= sigismember(&blocked, SIGPIPE) == 1;
  w.connections.push_back(text + ":" + std::to_string(port));
  if (text == "127.0.0.1") return real(descriptor, address, size);
  const auto way = w.ways.find(text);
  if (way == w.ways.end() || address->sa_family != AF_INET) {
    errno = ECONNREFUSED;
    return -1;
  }
  sockaddr_in there{};
  there.sin_family = AF_INET;
  there.sin_port = htons(way->second);
  there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return real(descriptor, reinterpret_cast<const sockaddr*>(&there), sizeof there);
}

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*begin)(void*),
                              void* argument) {
  if (!world().gives_threads) return EAGAIN;
  return system_function<decltype(::pthread_create)>("pthread_create")(thread, attributes, begin, argument);
}

#undef curl_easy_setopt
extern "C" CURLcode curl_easy_setopt(CURL* handle, CURLoption option, ...) {
  va_list arguments;
  va_start(arguments, option);
  void* value = va_arg(arguments, void*);  // a long and a curl_off_t are handed over in the same way
  va_end(arguments);
  if (option == CURLOPT_RESOLVE && world().forgets_pins) return CURLE_OK;
  return system_function<decltype(::curl_easy_setopt)>("curl_easy_setopt")(handle, option, value);
}

#pragma GCC visibility pop

namespace glm {

Resolver::Resolver() {
  World& w = world();
  const std::lock_guard lock(w.mutex);
  w.in_place = true;
  w.answers.clear();
  w.ways.clear();
  w.lookups.clear();
  w.connections.clear();
  w.quiet = true;
  w.forgets_pins = false;
}

Resolver::~Resolver() {
  World& w = world();
  const std::lock_guard lock(w.mutex);
  w.in_place = false;
  w.hanging.clear();
  w.forgets_pins = false;
  w.gives_threads = true;
  w.changed.notify_all();
}

void Resolver::answer(const std::string& name, const std::vector<std::vector<std::string>>& answers) {
  const std::lock_guard lock(world().mutex);
  world().answers[name] = answers;
}

void Resolver::hang(const std::string& name) {
  const std::lock_guard lock(world().mutex);
  world().hanging.push_back(name);
}

void Resolver::lead(const std::string& address, uint16_t port) {
  const std::lock_guard lock(world().mutex);
  world().ways[address] = port;
}

void Resolver::give_no_thread() {
  world().gives_threads = false;
}

void Resolver::forget_pins() {
  world().forgets_pins = true;
}

std::vector<std::string> Resolver::lookups() {
  const std::lock_guard lock(world().mutex);
  return world().lookups;
}

bool Resolver::quiet() {
  const std::lock_guard lock(world().mutex);
  return world().quiet;
}

std::vector<std::string> Resolver::connections() {
  const std::lock_guard lock(world().mutex);
  return world().connections;
}

}  // namespace glm
