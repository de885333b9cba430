// A PNG's chunks that may say how the picture is oriented: EXIF, XMP, and EXIF in a text, as programs wrote it before
// PNG had a chunk for it. Of several the last counts. Upstream: PIL's PngImagePlugin and Image.getexif
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

  std::span<const uint8_t> exif() const { return has_chunk_ ? chunk_ : text_; }
  const std::string& xmp() const { return xmp_; }

 private:
  void read(std::string_view name, std::string_view data);

  int texts_ = 0;
  bool has_chunk_ = false;
  std::vector<uint8_t> chunk_;
  std::vector<uint8_t> text_;
  std::string xmp_;
};

}  // namespace glm
