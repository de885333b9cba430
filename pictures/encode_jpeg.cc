#include <cstdlib>
#include <new>

#include "glm/error.h"
#include "pictures/encoders.h"
#include "pictures/libjpeg.h"

namespace glm {
namespace {

struct JpegWriter {
  jpeg_compress_struct info{};
  JpegErrors errors;
  unsigned char* bytes = nullptr;
  unsigned long size = 0;

  ~JpegWriter() {
    jpeg_destroy_compress(&info);
    std::free(bytes);
  }
};

// Makes no object with a destructor: JpegErrors::run.
void write(JpegWriter* w, const Image& image, int quality, std::span<const uint8_t> exif) {
  jpeg_create_compress(&w->info);
  jpeg_mem_dest(&w->info, &w->bytes, &w->size);
  w->info.image_width = static_cast<JDIMENSION>(image.width);
  w->info.image_height = static_cast<JDIMENSION>(image.height);
  w->info.input_components = 3;
  w->info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&w->info);
  jpeg_set_quality(&w->info, quality, TRUE);
  w->info.optimize_coding = TRUE;
  // At high quality colours keep their full resolution: half of it blurs text in a picture first.
  if (quality >= 90) w->info.comp_info[0].h_samp_factor = w->info.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&w->info, TRUE);
  if (!exif.empty()) jpeg_write_marker(&w->info, JPEG_APP0 + 1, exif.data(), static_cast<unsigned>(exif.size()));
  while (w->info.next_scanline < w->info.image_height) {
    auto* row = const_cast<JSAMPROW>(&image.rgb[size_t{3} * w->info.next_scanline * static_cast<size_t>(image.width)]);
    jpeg_write_scanlines(&w->info, &row, 1);
  }
  jpeg_finish_compress(&w->info);
}

}  // namespace

std::vector<uint8_t> encode_jpeg(const Image& image, int quality, std::span<const uint8_t> exif) {
  JpegWriter writer;
  writer.errors.connect(reinterpret_cast<j_common_ptr>(&writer.info));
  const bool good = writer.errors.run([&] { write(&writer, image, quality, exif); });
  if (writer.errors.no_memory) throw std::bad_alloc();
  if (!good) throw Error(ErrorCode::internal, std::string("libjpeg: ") + writer.errors.message);
  return {writer.bytes, writer.bytes + writer.size};
}

}  // namespace glm
