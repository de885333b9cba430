#include "engine/image.h"

#include <png.h>

#include <string>

#include "base/atomic_file.h"
#include "base/error.h"

namespace glm {
namespace {

// libpng's simplified interface: errors come back as a result, nothing is thrown through C.
std::vector<uint8_t> encode_png(const Image& image) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = PNG_FORMAT_RGB;
  const auto check = [&](int ok) {
    if (ok == 0) throw Error(ErrorCode::internal, std::string("libpng: ") + header.message);
  };
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::vector<uint8_t> bytes(size);
  check(png_image_write_to_memory(&header, bytes.data(), &size, /*convert_to_8_bit=*/0, image.rgb.data(),
                                  /*row_stride=*/0, nullptr));
  bytes.resize(size);
  return bytes;
}

}  // namespace

void write_png(const std::filesystem::path& file, const Image& image) {
  const std::vector<uint8_t> bytes = encode_png(image);
  write_file(file, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
}

}  // namespace glm
