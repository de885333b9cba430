#include "tasks/picture_bytes.h"

#include <algorithm>

#include "base/base64.h"
#include "base/refuse.h"
#include "base/text.h"
#include "pictures/resize.h"

namespace glm::tasks {

std::vector<uint8_t> bytes_of_text(const std::string& text) {
  std::string_view data = text;
  if (lower_case(text.substr(0, 5)) == "data:") {
    const size_t comma = text.find(',');
    const std::string head = lower_case(text.substr(0, comma));
    if (comma == std::string::npos || !head.ends_with(";base64")) {
      refuse("", "a data URI with base64, such as data:image/png;base64,iVBORw0…", "one without");
    }
    data.remove_prefix(comma + 1);
  }
  auto bytes = base64_bytes(data);
  if (!bytes) refuse("", "a picture: its UUID, a web address, base64 or a data URI", "a text that is none of these");
  return std::move(*bytes);
}

Image shrunk(const Image& image, int64_t longest) {
  const int64_t side = std::max(image.width, image.height);
  if (side <= longest) return image;
  const auto scaled = [&](int64_t length) { return std::max<int64_t>(1, (length * longest + side / 2) / side); };
  return resize_lanczos(image, scaled(image.width), scaled(image.height));
}

PictureFormat format_of(const std::string& name) {
  const std::string format = lower_case(name);
  if (format == "png") return PictureFormat::png;
  return format == "webp" ? PictureFormat::webp : PictureFormat::jpeg;
}

std::string extension_of(PictureFormat format) {
  if (format == PictureFormat::png) return "png";
  return format == PictureFormat::webp ? "webp" : "jpg";
}

std::string media_type(PictureFormat format) {
  return "image/" + (format == PictureFormat::jpeg ? "jpeg" : extension_of(format));
}

std::string data_uri(PictureFormat format, std::span<const uint8_t> bytes) {
  return "data:" + media_type(format) + ";base64," + base64(bytes);
}

std::string file_url(const std::filesystem::path& file) {
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string url = "file://";
  const std::filesystem::path whole = std::filesystem::absolute(file).lexically_normal();
  for (const unsigned char c : whole.native()) {
    if (plain.find(static_cast<char>(c)) != std::string_view::npos) {
      url += static_cast<char>(c);
    } else {
      url += {'%', digits[c >> 4U], digits[c & 15U]};
    }
  }
  return url;
}

}  // namespace glm::tasks
