#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"
#include "glm/picture_file.h"
#include "pictures/encoders.h"
#include "pictures/libjpeg.h"
#include "pictures/picture_size.h"
#include "pictures/raster.h"

namespace glm {
namespace {

// Encoders write at most 18 (libjpeg, for four inks). Each scan costs a pass over the picture, however few bytes it
// has.
constexpr int kMostScans = 20;
constexpr JOCTET kEnd[] = {0xFF, JPEG_EOI};
// How the segments begin that are read.
constexpr std::string_view kExif("Exif\0\0", 6);
constexpr std::string_view kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
constexpr std::string_view kProfile("ICC_PROFILE\0", 12);

struct JpegReader {
  jpeg_decompress_struct info{};
  JpegErrors errors;
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  bool ended = false;                               // the bytes have run out
  size_t exif_parts = 0;                            // how many the EXIF data has
  std::array<std::span<const uint8_t>, 64> exif{};  // they begin with "Exif\0\0"
  std::string_view xmp;
  int profile_parts = 0;                                // how many the ICC profile has
  std::array<std::span<const uint8_t>, 256> profile{};  // its parts by their number, from 1

  explicit JpegReader(std::span<const uint8_t> bytes);
  ~JpegReader() { jpeg_destroy_decompress(&info); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  // Runs `body`, or refuses the picture with what libjpeg says: JpegErrors::run.
  template <typename Body>
  void run(Body&& body) {
    if (errors.run([&] { body(&info); })) return;
    refuse(ErrorCode::usage, "JPEG", "a valid file", std::string("an error (") + errors.message + ")",
           "save the picture again");
  }

  void take_segment(int marker, std::span<const uint8_t> contents);
  static JpegReader* of(j_common_ptr info) { return static_cast<JpegReader*>(info->client_data); }
};

void on_scan(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans) {
    JpegReader::of(info)->errors.jump("more scans than a picture needs");
  }
}

// Called when the bytes have run out. It hands out an end marker.
boolean refill(j_decompress_ptr info) {
  JpegReader::of(reinterpret_cast<j_common_ptr>(info))->ended = true;
  info->src->next_input_byte = kEnd;
  info->src->bytes_in_buffer = sizeof kEnd;
  return TRUE;
}

void skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > info->src->bytes_in_buffer) {
    refill(info);
    return;
  }
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<size_t>(count);
}

// Reads a segment. libjpeg could store these itself, but walks its list of them to the end for each new one.
boolean read_segment(j_decompress_ptr info) {
  JpegReader* self = JpegReader::of(reinterpret_cast<j_common_ptr>(info));
  const std::span<const uint8_t> rest(info->src->next_input_byte, info->src->bytes_in_buffer);
  const size_t size = rest.size() < 2 ? 2 : static_cast<size_t>(rest[0] << 8 | rest[1]);  // with these two bytes
  if (size >= 2 && size <= rest.size()) self->take_segment(info->unread_marker, rest.subspan(2, size - 2));
  skip(info, static_cast<long>(std::max<size_t>(size, 2)));
  return TRUE;
}

void JpegReader::take_segment(int marker, std::span<const uint8_t> contents) {
  const std::string_view text = as_text(contents);
  if (marker == JPEG_APP0 + 1 && text.starts_with(kExif) && exif_parts < exif.size()) exif[exif_parts++] = contents;
  if (marker == JPEG_APP0 + 1 && text.starts_with(kXmp)) {
    xmp = text;
  }
  if (marker == JPEG_APP0 + 2 && text.starts_with(kProfile) && contents.size() > kProfile.size() + 2) {
    profile[contents[kProfile.size()]] = contents.subspan(kProfile.size() + 2);
    profile_parts = contents[kProfile.size() + 1];
  }
}

JpegReader::JpegReader(std::span<const uint8_t> bytes) {
  errors.connect(reinterpret_cast<j_common_ptr>(&info));
  info.client_data = this;
  run([&](j_decompress_ptr jpeg) { jpeg_create_decompress(jpeg); });
  info.src = &source;
  source.next_input_byte = bytes.data();
  source.bytes_in_buffer = bytes.size();
  source.init_source = [](j_decompress_ptr) {};
  source.fill_input_buffer = refill;
  source.skip_input_data = skip;
  source.resync_to_restart = jpeg_resync_to_restart;
  source.term_source = [](j_decompress_ptr) {};
  info.progress = &progress;
  progress.progress_monitor = on_scan;
}

Raster::Kind kind_of(jpeg_decompress_struct* info) {
  switch (info->jpeg_color_space) {
    case JCS_GRAYSCALE:
      info->out_color_space = JCS_GRAYSCALE;
      return Raster::Kind::grey;
    case JCS_YCbCr:
    case JCS_RGB:
      info->out_color_space = JCS_RGB;
      return Raster::Kind::rgb;
    case JCS_CMYK:
    case JCS_YCCK:
      info->out_color_space = JCS_CMYK;
      return Raster::Kind::inverted_cmyk;  // Adobe's programs write it so, and PIL takes all CMYK for that
    default:
      refuse(ErrorCode::usage, "JPEG", "1, 3 or 4 channels", std::to_string(info->num_components),
             "save the picture as RGB");
  }
}

// Returns the ICC profile from all its parts, or nothing when one is missing.
std::vector<uint8_t> profile_of(const JpegReader& reader) {
  std::vector<uint8_t> profile;
  for (int i = 1; i <= reader.profile_parts; ++i) {
    const std::span<const uint8_t> part = reader.profile[static_cast<size_t>(i)];
    if (part.empty()) return {};
    profile.insert(profile.end(), part.begin(), part.end());
  }
  return profile;
}

// Returns the EXIF data from all its parts with "Exif\0\0" in front, or nothing.
std::vector<uint8_t> exif_of(const JpegReader& reader) {
  std::vector<uint8_t> exif;
  for (size_t i = 0; i < reader.exif_parts; ++i) {
    const std::span<const uint8_t> part = reader.exif[i].subspan(i == 0 ? 0 : kExif.size());
    exif.insert(exif.end(), part.begin(), part.end());
  }
  return exif;
}

void read_header(JpegReader* reader) {
  reader->run([](j_decompress_ptr info) {
    jpeg_set_marker_processor(info, JPEG_APP0 + 1, read_segment);
    jpeg_set_marker_processor(info, JPEG_APP0 + 2, read_segment);
    jpeg_read_header(info, TRUE);
  });
}

// Halves a picture that is too large up to three times while it is decoded, as PIL's draft() does.
void scale_to_fit(j_decompress_ptr info) {
  const bool may = int64_t{info->image_width} * info->image_height <= kMostJpegPixels;
  info->scale_num = 1;
  info->scale_denom = 1;
  jpeg_calc_output_dimensions(info);
  while (may && info->scale_denom < 8 &&
         (info->output_width > kLargestPictureSide || info->output_height > kLargestPictureSide ||
          int64_t{info->output_width} * info->output_height > kMostPicturePixels)) {
    info->scale_denom *= 2;
    jpeg_calc_output_dimensions(info);
  }
}

}  // namespace

std::vector<uint8_t> exif_in_jpeg(std::span<const uint8_t> bytes) {
  try {
    JpegReader reader(bytes);
    read_header(&reader);
    return exif_of(reader);
  } catch (const Error&) {  // a broken file has none
    return {};
  }
}

Raster read_jpeg(std::span<const uint8_t> bytes) {
  JpegReader reader(bytes);
  read_header(&reader);
  Raster raster;
  reader.run(scale_to_fit);
  raster.width = reader.info.output_width;
  raster.height = reader.info.output_height;
  if (!size_problem(raster.width, raster.height).empty()) {
    check_picture_size(reader.info.image_width, reader.info.image_height);  // the message says the file's own size
  }
  raster.kind = kind_of(&reader.info);
  raster.orientation = orientation_of(exif_of(reader), reader.xmp);
  raster.profile = profile_of(reader);
  const int64_t row = raster.width * channels(raster.kind);
  reader.run([&](j_decompress_ptr info) {
    info->mem->max_memory_to_use = std::max(kMostDecodingBytes - row * raster.height, int64_t{1});
    jpeg_start_decompress(info);
  });
  allocate(&raster);
  reader.run([&](j_decompress_ptr info) {
    while (info->output_scanline < info->output_height) {
      JSAMPROW to = &raster.samples[info->output_scanline * static_cast<size_t>(row)];
      jpeg_read_scanlines(info, &to, 1);
    }
    jpeg_finish_decompress(info);  // reads on to the end marker
  });
  // PIL refuses a file without its end marker, too. What else is missing then can't be told in every case.
  if (reader.ended) {
    refuse(ErrorCode::usage, "JPEG", "a whole file", "one that ends early", "get the picture again");
  }
  return raster;
}

}  // namespace glm
