#include "network/resolve.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "base/refuse.h"

namespace glm {
namespace {

constexpr std::chrono::milliseconds kLook{50};  // how often the token is looked at

struct Lookup {
  std::mutex mutex;
  std::condition_variable ended;
  std::optional<std::vector<Address>> addresses;
};

std::vector<Address> look_up(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const std::optional<Address> address = address_of(entry->ai_addr);
    if (address) addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace

std::vector<Address> resolve(const std::string& host, std::chrono::steady_clock::time_point deadline,
                             const CancelToken* cancel) {
  throw_if_cancelled(cancel);
  const auto lookup = std::make_shared<Lookup>();
  try {
    std::thread([lookup, host] {
      std::vector<Address> addresses;
      try {
        addresses = look_up(host);
      } catch (const std::bad_alloc&) {
        addresses.clear();  // as if there were none
      }
      const std::lock_guard lock(lookup->mutex);
      lookup->addresses = std::move(addresses);
      lookup->ended.notify_one();
    }).detach();
  } catch (const std::system_error&) {
    return {};  // the system gives no thread
  }
  std::unique_lock lock(lookup->mutex);
  while (!lookup->addresses) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) return {};
    lookup->ended.wait_until(lock, std::min(deadline, now + kLook));
    throw_if_cancelled(cancel);
  }
  return *lookup->addresses;
}

}  // namespace glm
