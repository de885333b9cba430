#include <cstdio>
// needs <cstdio>
#include <jpeglib.h>
// needs jpeglib.h
#include <jerror.h>

#include <csetjmp>
#include <cstdlib>
#include <new>

#include "glm/error.h"
#include "pictures/encoders.h"

namespace glm {
namespace {

// libjpeg reports errors by error_exit, which may not return: a jump, as nothing is thrown through it.
struct JpegWriter {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  jmp_buf place{};
  bool no_memory = false;
  char message[JMSG_LENGTH_MAX] = {};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;

  ~JpegWriter() {
    jpeg_destroy_compress(&info);
    std::free(bytes);
  }
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* self = static_cast<JpegWriter*>(info->client_data);
  self->no_memory = info->err->msg_code == JERR_OUT_OF_MEMORY;
  info->err->format_message(info, self->message);
  longjmp(self->place, 1);
}

// Left by a jump in the middle, so that it makes no object with a destructor.
bool write(JpegWriter* w, const Image& image, int quality, std::span<const uint8_t> exif) {
  if (setjmp(w->place) != 0) return false;
  jpeg_create_compress(&w->info);
  jpeg_mem_dest(&w->info, &w->bytes, &w->size);
  w->info.image_width = static_cast<JDIMENSION>(image.width);
  w->info.image_height = static_cast<JDIMENSION>(image.height);
  w->info.input_components = 3;
  w->info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&w->info);
  jpeg_set_quality(&w->info, quality, TRUE);
  w->info.optimize_coding = TRUE;
  // Text in a picture is what halved colours blur first.
  if (quality >= 90) w->info.comp_info[0].h_samp_factor = w->info.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&w->info, TRUE);
  if (!exif.empty()) jpeg_write_marker(&w->info, JPEG_APP0 + 1, exif.data(), static_cast<unsigned>(exif.size()));
  while (w->info.next_scanline < w->info.image_height) {
    auto* row = const_cast<JSAMPROW>(&image.rgb[size_t{3} * w->info.next_scanline * static_cast<size_t>(image.width)]);
    jpeg_write_scanlines(&w->info, &row, 1);
  }
  jpeg_finish_compress(&w->info);
  return true;
}

}  // namespace

std::vector<uint8_t> encode_jpeg(const Image& image, int quality, std::span<const uint8_t> exif) {
  JpegWriter writer;
  writer.info.err = jpeg_std_error(&writer.errors);
  writer.errors.error_exit = on_error;
  writer.errors.emit_message = [](j_common_ptr, int) {};
  writer.info.client_data = &writer;
  const bool good = write(&writer, image, quality, exif);
  if (writer.no_memory) throw std::bad_alloc();
  if (!good) throw Error(ErrorCode::internal, std::string("libjpeg: ") + writer.message);
  return {writer.bytes, writer.bytes + writer.size};
}

}  // namespace glm
