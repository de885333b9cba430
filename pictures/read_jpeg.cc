#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "base/refuse.h"
#include "pictures/libjpeg.h"
#include "pictures/raster.h"

namespace glm {
namespace {

// Encoders write fewer. Each scan costs a pass over the picture, however few bytes it has.
constexpr int kMostScans = 32;
constexpr JOCTET kEnd[] = {0xFF, JPEG_EOI};
// How the segments begin that are read.
constexpr std::string_view kExif("Exif\0\0", 6);
constexpr std::string_view kProfile("ICC_PROFILE\0", 12);

struct JpegReader {
  jpeg_decompress_struct info{};
  JpegErrors errors;
  jpeg_source_mgr source{};
  jpeg_progress_mgr progress{};
  bool ended = false;  // the bytes have run out
  bool cut = false;    // a scan ended early
  int orientation = 1;
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

void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  ++info->err->num_warnings;
  if (info->err->msg_code == JWRN_HIT_MARKER) JpegReader::of(info)->cut = true;
}

void on_scan(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans) {
    JpegReader::of(info)->errors.jump("more scans than a picture needs");
  }
}

// Called when the bytes have run out. It hands out an end marker; `cut` tells later whether something was missing.
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

bool begins(std::span<const uint8_t> bytes, std::string_view name) {
  return bytes.size() >= name.size() && std::memcmp(bytes.data(), name.data(), name.size()) == 0;
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
  if (marker == JPEG_APP0 + 1 && begins(contents, kExif)) orientation = exif_orientation(contents);
  if (marker == JPEG_APP0 + 2 && begins(contents, kProfile) && contents.size() > kProfile.size() + 2) {
    profile[contents[kProfile.size()]] = contents.subspan(kProfile.size() + 2);
    profile_parts = contents[kProfile.size() + 1];
  }
}

JpegReader::JpegReader(std::span<const uint8_t> bytes) {
  errors.connect(reinterpret_cast<j_common_ptr>(&info));
  errors.manager.emit_message = on_message;
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

}  // namespace

Raster read_jpeg(std::span<const uint8_t> bytes) {
  JpegReader reader(bytes);
  reader.run([](j_decompress_ptr info) {
    jpeg_set_marker_processor(info, JPEG_APP0 + 1, read_segment);
    jpeg_set_marker_processor(info, JPEG_APP0 + 2, read_segment);
    jpeg_read_header(info, TRUE);
  });
  Raster raster;
  raster.width = reader.info.image_width;
  raster.height = reader.info.image_height;
  check_picture_size(raster.width, raster.height);
  raster.kind = kind_of(&reader.info);
  raster.orientation = reader.orientation;
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
  });
  // A file may lack its end marker and nothing else. libjpeg's arithmetic decoding doesn't tell what is missing.
  if (reader.ended && (reader.cut || reader.info.arith_code != 0)) {
    refuse(ErrorCode::usage, "JPEG", "a whole file", "one that ends early", "get the picture again");
  }
  return raster;
}

}  // namespace glm
