#include "network/url.h"

#include <algorithm>
#include <charconv>
#include <new>

#include "base/refuse.h"
#include "base/text.h"

namespace glm {
namespace {

constexpr size_t kMostBytes = 8192;
constexpr size_t kMostBytesOfName = 253;

[[noreturn]] void refuse_url(const std::string& expected, const std::string& found) {
  refuse("the URL", expected, found);
}

[[noreturn]] void refuse_host() {
  refuse_url("a host's name in letters, digits, '-' and '_', or its address, with or without :PORT", "another host");
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_of_a_name(char c) {
  return is_digit(c) || is_letter(c) || c == '-' || c == '_';
}

// Programs read a name as a number when its last label is one or nothing: 127.1, 0x7f000001, 1.2.3.4.5.
bool ends_like_a_number(const std::string& name) {
  const std::string last = name.substr(name.rfind('.') + 1);
  return std::all_of(last.begin(), last.end(), is_digit) || last.starts_with("0x");
}

bool is_a_name(const std::string& name) {
  const bool labels = !name.empty() && name.front() != '.' && name.find("..") == std::string::npos;
  const bool letters = std::all_of(name.begin(), name.end(), [](char c) { return is_of_a_name(c) || c == '.'; });
  return labels && letters && name.size() <= kMostBytesOfName && !ends_like_a_number(name);
}

}  // namespace

Url::Url(const std::string& text) : handle_(curl_url()) {
  if (!handle_) throw std::bad_alloc();
  if (text.size() > kMostBytes) refuse_url("at most 8192 bytes", std::to_string(text.size()));
  if (std::any_of(text.begin(), text.end(), [](char c) { return c <= ' ' || c > '~' || c == '\\'; })) {
    refuse_url("printable ASCII without blanks and backslashes, others as %20", "another character");
  }
  const size_t scheme_end = text.find("://");
  const std::string scheme = lower_case(text.substr(0, scheme_end));
  if (scheme_end == std::string::npos || (scheme != "http" && scheme != "https")) {
    refuse_url("http://HOST/… or https://HOST/…", "another beginning");
  }
  https_ = scheme == "https";
  read_authority(text.substr(scheme_end + 3));
  if (curl_url_set(handle_.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) refuse_host();
  read_host();
}

std::string Url::part(CURLUPart what) const {
  char* text = nullptr;
  if (curl_url_get(handle_.get(), what, &text, 0) != CURLUE_OK) refuse_host();
  std::string copy = text;
  curl_free(text);
  return copy;
}

// Refuses by its characters what parsers read differently, before one reads it.
void Url::read_authority(const std::string& text) {
  const std::string authority = text.substr(0, text.find_first_of("/?#"));
  if (authority.find('@') != std::string::npos) refuse_url("a host without a user's name and password", "an '@'");
  const auto usual = [](char c) { return is_of_a_name(c) || c == '.' || c == ':' || c == '[' || c == ']'; };
  if (authority.empty() || !std::all_of(authority.begin(), authority.end(), usual)) refuse_host();
  const size_t colon = authority.find(':', authority.find(']') + 1);
  if (colon == std::string::npos) return;
  uint16_t port = 0;
  const char* end = authority.data() + authority.size();
  const std::from_chars_result read = std::from_chars(authority.data() + colon + 1, end, port);
  if (read.ec != std::errc() || read.ptr != end || port == 0) refuse_url("a port of 1 to 65535", "another");
  written_port_ = port;
}

void Url::read_host() {
  host_ = lower_case(part(CURLUPART_HOST));
  if (host_.ends_with('.')) host_.pop_back();
  const bool brackets = host_.starts_with('[') && host_.ends_with(']');
  address_ = parse_address(brackets ? host_.substr(1, host_.size() - 2) : host_);
  if (!address_ && !is_a_name(host_)) refuse_host();
  if (address_) host_ = host_text(*address_);
  if (curl_url_set(handle_.get(), CURLUPART_HOST, host_.c_str(), 0) != CURLUE_OK) refuse_host();
}

}  // namespace glm
