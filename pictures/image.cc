#include "glm/image.h"

#include "base/atomic_file.h"
#include "glm/encode.h"

namespace glm {

void write_png(const std::filesystem::path& file, const Image& image) {
  const std::vector<uint8_t> bytes = encode_picture(image, PictureFormat::png, /*quality=*/100, {});
  write_file(file, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
}

}  // namespace glm
