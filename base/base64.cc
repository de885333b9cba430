#include "base/base64.h"

#include <resolv.h>

#include <limits>

namespace glm {

std::string base64(std::span<const uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '\0');
  ::b64_ntop(bytes.data(), bytes.size(), text.data(), text.size() + 1);  // a string has room for the 0 at its end
  return text;
}

std::optional<std::vector<uint8_t>> base64_bytes(std::string_view text) {
  const std::string whole(text);
  if (whole.find('\0') != std::string::npos || whole.size() > std::numeric_limits<int>::max()) return std::nullopt;
  std::vector<uint8_t> bytes(whole.size() / 4 * 3 + 3);
  const int length = ::b64_pton(whole.c_str(), bytes.data(), bytes.size());
  if (length < 0) return std::nullopt;
  bytes.resize(static_cast<size_t>(length));
  return bytes;
}

}  // namespace glm
