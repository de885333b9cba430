// A URL, parsed once: what is checked is what is fetched.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "network/address.h"

namespace glm {

class Url {
 public:
  // Throws Error(usage) for all but http and https with a plain host: no credentials, blanks, backslashes, bytes
  // outside ASCII, percent signs in the host, or zones. The messages quote nothing of the URL.
  explicit Url(const std::string& text);

  // In lower case without the dot at its end. An address is written as host_text() does.
  const std::string& host() const { return host_; }
  uint16_t port() const { return written_port_.value_or(https_ ? 443 : 80); }
  std::optional<uint16_t> written_port() const { return written_port_; }
  bool has_usual_port() const { return port() == (https_ ? 443 : 80); }
  const std::optional<Address>& address() const { return address_; }  // where the host is one
  std::string place() const { return host_ + ":" + std::to_string(port()); }
  CURLU* handle() const { return handle_.get(); }

 private:
  struct Cleanup {
    void operator()(CURLU* handle) const { curl_url_cleanup(handle); }
  };

  std::string part(CURLUPart what) const;
  void read_authority(const std::string& text);
  void read_host();

  std::unique_ptr<CURLU, Cleanup> handle_;
  bool https_ = false;
  std::string host_;
  std::optional<uint16_t> written_port_;
  std::optional<Address> address_;
};

}  // namespace glm
