#include "network/transfer.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <new>
#include <optional>

#include "base/quiet_writes.h"
#include "base/refuse.h"
#include "base/text.h"

namespace glm {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kLookMs = 50;  // how often the token is looked at
constexpr size_t kMostHeaderBytes = size_t{64} << 10;
constexpr size_t kMostIgnoredBytes = size_t{64} << 10;  // of what a server answers to something sent

enum class Ended { by_itself, too_large, enough, headers_too_large, without_memory };

void check(CURLcode code) {
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  if (code != CURLE_OK) throw Error(ErrorCode::internal, std::string("libcurl: ") + curl_easy_strerror(code));
}

struct Handles {
  Handles() {
    static const CURLcode prepared = curl_global_init(CURL_GLOBAL_DEFAULT);
    check(prepared);
    easy = curl_easy_init();
    multi = curl_multi_init();
  }
  ~Handles() {
    if (easy != nullptr && multi != nullptr) curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    curl_slist_free_all(pins);
    curl_slist_free_all(headers);
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;

  CURL* easy = nullptr;
  CURLM* multi = nullptr;
  curl_slist* pins = nullptr;
  curl_slist* headers = nullptr;
};

class Transfer {
 public:
  Transfer(const Url& url, const std::vector<Address>& addresses, const Deadlines& deadlines);

  std::vector<uint8_t> fetch(size_t most_bytes, const CancelToken* cancel);
  void deliver(const Outgoing& outgoing, const CancelToken* cancel);

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    check(curl_easy_setopt(handles_.easy, option, value));
  }
  void append(curl_slist*& list, const std::string& text);
  void set_rules();
  void set_times();
  void pin();
  CURLcode perform(const CancelToken* cancel);
  bool reached() const;
  long status() const;
  void refuse_status() const;
  [[noreturn]] void refuse_failure(CURLcode code) const;

  static size_t take_body(const char* bytes, size_t one, size_t count, void* self);
  static size_t take_header(const char* bytes, size_t one, size_t count, void* self);
  static curl_socket_t open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);

  const Url& url_;
  const std::vector<Address>& addresses_;
  const Deadlines& deadlines_;
  const QuietWrites quiet_;  // also while the handles end a connection
  Handles handles_;
  bool keeps_ = false;
  size_t most_bytes_ = kMostIgnoredBytes;
  size_t header_bytes_ = 0;
  size_t body_bytes_ = 0;
  std::vector<uint8_t> body_;
  Ended ended_ = Ended::by_itself;
};

Transfer::Transfer(const Url& url, const std::vector<Address>& addresses, const Deadlines& deadlines)
    : url_(url), addresses_(addresses), deadlines_(deadlines) {
  if (handles_.easy == nullptr || handles_.multi == nullptr) throw std::bad_alloc();
  set_rules();
  set_times();
  pin();
}

void Transfer::append(curl_slist*& list, const std::string& text) {
  curl_slist* longer = curl_slist_append(list, text.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  list = longer;
}

void Transfer::set_rules() {
  set(CURLOPT_CURLU, url_.handle());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  set(CURLOPT_HTTP09_ALLOWED, 0L);
  set(CURLOPT_PROXY, "");  // not even the environment's
  set(CURLOPT_NETRC, long{CURL_NETRC_IGNORED});
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "glm-image");
  set(CURLOPT_WRITEFUNCTION, &Transfer::take_body);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Transfer::take_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
}

// To libcurl 0 means its own limit, and so 1 stands for a time that is over.
void Transfer::set_times() {
  const steady_clock::time_point now = steady_clock::now();
  const auto left = [&](steady_clock::time_point deadline) {
    return std::max(1L, static_cast<long>(std::chrono::duration_cast<milliseconds>(deadline - now).count()));
  };
  set(CURLOPT_CONNECTTIMEOUT_MS, left(deadlines_.connecting));
  set(CURLOPT_TIMEOUT_MS, left(deadlines_.whole));
}

// Tells libcurl the addresses of the name, so that it looks nothing up.
void Transfer::pin() {
  if (url_.address()) return;  // there is no name
  std::string list;
  for (const Address& address : addresses_) list.append(list.empty() ? "" : ",").append(host_text(address));
  append(handles_.pins, url_.place() + ":" + list);
  set(CURLOPT_RESOLVE, handles_.pins);
}

// The second line: whatever libcurl makes of names, it gets a socket for these addresses only.
curl_socket_t Transfer::open_socket(void* self, curlsocktype /*purpose*/, curl_sockaddr* address) {
  const Transfer& transfer = *static_cast<Transfer*>(self);
  const std::optional<Address> wanted = address_of(&address->addr);
  const std::vector<Address>& checked = transfer.addresses_;
  if (!wanted || std::find(checked.begin(), checked.end(), *wanted) == checked.end()) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t Transfer::take_header(const char* bytes, size_t one, size_t count, void* self) {
  Transfer& transfer = *static_cast<Transfer*>(self);
  transfer.header_bytes_ += one * count;
  const bool too_large = transfer.header_bytes_ > kMostHeaderBytes;
  if (too_large) transfer.ended_ = Ended::headers_too_large;
  // Of an answer that is refused by its status nothing more is wanted.
  const bool last = as_text({reinterpret_cast<const uint8_t*>(bytes), one * count}) == "\r\n";
  return too_large || (last && transfer.status() >= 300) ? 0 : one * count;
}

size_t Transfer::take_body(const char* bytes, size_t one, size_t count, void* self) {
  Transfer& transfer = *static_cast<Transfer*>(self);
  const size_t size = one * count;
  if (size > transfer.most_bytes_ - transfer.body_bytes_) {
    transfer.ended_ = transfer.keeps_ ? Ended::too_large : Ended::enough;
    return 0;
  }
  transfer.body_bytes_ += size;
  if (!transfer.keeps_) return size;
  try {
    transfer.body_.insert(transfer.body_.end(), bytes, bytes + size);
  } catch (const std::bad_alloc&) {
    transfer.ended_ = Ended::without_memory;
    return 0;
  }
  return size;
}

// libcurl's own loop looks at a token once a second only.
CURLcode Transfer::perform(const CancelToken* cancel) {
  if (curl_multi_add_handle(handles_.multi, handles_.easy) != CURLM_OK) throw std::bad_alloc();
  int running = 1;
  while (running != 0) {
    throw_if_cancelled(cancel);
    if (curl_multi_perform(handles_.multi, &running) != CURLM_OK) throw std::bad_alloc();
    if (running != 0) curl_multi_poll(handles_.multi, nullptr, 0, kLookMs, nullptr);
  }
  int left = 0;
  const CURLMsg* message = curl_multi_info_read(handles_.multi, &left);
  return message == nullptr ? CURLE_FAILED_INIT : message->data.result;
}

// Is there a connection, with TLS where that is wanted?
bool Transfer::reached() const {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(handles_.easy, CURLINFO_PRETRANSFER_TIME_T, &microseconds);
  return microseconds != 0;
}

long Transfer::status() const {
  long status = 0;
  curl_easy_getinfo(handles_.easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

void Transfer::refuse_status() const {
  const long found = status();
  if (found < 300 && found != 101) return;
  const bool later = found >= 500 || found == 408 || found == 425 || found == 429;
  const bool redirect = found < 400 && found >= 300;
  refuse(later ? ErrorCode::io : ErrorCode::usage, url_.place(), "a status of 200 to 299",
         std::to_string(found) + (redirect ? ", a redirect, and those aren't followed" : ""));
}

void Transfer::refuse_failure(CURLcode code) const {
  const std::string place = url_.place();
  // A single header that is too large for libcurl, or a status line, is a lack of memory to it.
  if (ended_ == Ended::headers_too_large || (code == CURLE_OUT_OF_MEMORY && reached())) {
    refuse(place, "headers of at most 65536 bytes", "more");
  }
  switch (code) {
    case CURLE_OUT_OF_MEMORY:
      throw std::bad_alloc();
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      refuse_unreachable(url_);
    case CURLE_OPERATION_TIMEDOUT:
      if (!reached()) refuse_unreachable(url_);
      refuse(ErrorCode::io, place, "a whole answer in time", "none");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      refuse(ErrorCode::usage, place, "a certificate that this system can verify", "another",
             "allow a host whose certificate is valid, or install ca-certificates");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      refuse(place, "an answer in HTTP", "something else");
    default:
      refuse(ErrorCode::io, place, "a whole answer", "one that broke off");
  }
}

std::vector<uint8_t> Transfer::fetch(size_t most_bytes, const CancelToken* cancel) {
  keeps_ = true;
  most_bytes_ = most_bytes;
  set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(most_bytes));
  const CURLcode code = perform(cancel);
  refuse_status();
  if (ended_ == Ended::without_memory) throw std::bad_alloc();
  if (ended_ == Ended::too_large || code == CURLE_FILESIZE_EXCEEDED) {
    refuse(url_.place(), "at most " + std::to_string(most_bytes) + " bytes", "more");
  }
  if (code != CURLE_OK) refuse_failure(code);
  return std::move(body_);
}

void Transfer::deliver(const Outgoing& outgoing, const CancelToken* cancel) {
  append(handles_.headers, "Content-Type: " + outgoing.content_type);
  append(handles_.headers, "Expect:");
  const auto size = static_cast<curl_off_t>(outgoing.body.size());
  set(CURLOPT_HTTPHEADER, handles_.headers);
  set(CURLOPT_POSTFIELDSIZE_LARGE, size);
  set(CURLOPT_POSTFIELDS, reinterpret_cast<const char*>(outgoing.body.data()));
  set(CURLOPT_CUSTOMREQUEST, outgoing.method);
  const CURLcode code = perform(cancel);
  refuse_status();
  // With the server's word for it nothing that happens to the rest of the answer matters, and sending again would hurt.
  curl_off_t sent = 0;
  curl_easy_getinfo(handles_.easy, CURLINFO_SIZE_UPLOAD_T, &sent);
  const bool confirmed = status() >= 200 && sent == size;
  if (code != CURLE_OK && !confirmed) refuse_failure(code);
}

}  // namespace

std::vector<uint8_t> fetch(const Url& url, const std::vector<Address>& addresses, const Deadlines& deadlines,
                           size_t most_bytes, const CancelToken* cancel) {
  return Transfer(url, addresses, deadlines).fetch(most_bytes, cancel);
}

void deliver(const Url& url, const std::vector<Address>& addresses, const Deadlines& deadlines,
             const Outgoing& outgoing, const CancelToken* cancel) {
  Transfer(url, addresses, deadlines).deliver(outgoing, cancel);
}

void refuse_unreachable(const Url& url) {
  refuse(ErrorCode::io, url.place(), "a connection", "none");
}

}  // namespace glm
