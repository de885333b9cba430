// A PNG's text chunks that may say how the picture is oriented: XMP, and EXIF as programs wrote it before PNG had a
// chunk for it. Upstream: PIL's PngImagePlugin and Image.getexif
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glm {

class OrientationTexts {
 public:
  // Looks at a chunk: its name and its data. Returns false when there is too little memory.
  bool take(std::string_view name, std::span<const uint8_t> data) noexcept;

  std::span<const uint8_t> exif() const { return exif_; }
  const std::string& xmp() const { return xmp_; }

 private:
  void read(std::string_view name, std::string_view data);

  int texts_ = 0;
  std::vector<uint8_t> exif_;
  std::string xmp_;
};

}  // namespace glm
