#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "base/refuse.h"
#include "base/text.h"
#include "pictures/raster.h"

namespace glm {
namespace {

constexpr int kLossless = 2;  // a WebPBitstreamFeatures.format: decoding it takes 4 bytes a pixel besides the result

[[noreturn]] void refuse_broken() {
  refuse(ErrorCode::usage, "WebP", "a whole and valid file", "a broken or shortened one", "get the picture again");
}

// Returns the contents of the first chunk of this name, or nothing.
std::span<const uint8_t> chunk(const WebPDemuxer* demuxer, const char* name) {
  WebPChunkIterator found;
  if (WebPDemuxGetChunk(demuxer, name, 1, &found) == 0) return {};
  const std::span<const uint8_t> contents(found.chunk.bytes, found.chunk.size);
  WebPDemuxReleaseChunkIterator(&found);  // the bytes are the file's own
  return contents;
}

// Reads an animation's first frame. A still picture has one frame, as large as itself.
void read_first_frame(const WebPDemuxer* demuxer, Raster* raster) {
  WebPIterator frame;
  if (WebPDemuxGetFrame(demuxer, 1, &frame) == 0) refuse_broken();
  const std::unique_ptr<WebPIterator, void (*)(WebPIterator*)> release(&frame, WebPDemuxReleaseIterator);
  const bool covers = frame.width == raster->width && frame.height == raster->height;
  if (frame.width < 1 || frame.height < 1 || frame.x_offset < 0 || frame.y_offset < 0 ||
      frame.x_offset + frame.width > raster->width || frame.y_offset + frame.height > raster->height) {
    refuse_broken();
  }
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &features) != VP8_STATUS_OK ||
      features.width != frame.width || features.height != frame.height) {
    refuse_broken();
  }
  raster->kind = features.has_alpha != 0 || !covers ? Raster::Kind::rgba : Raster::Kind::rgb;
  if (features.format == kLossless &&
      int64_t{4} * frame.width * frame.height + byte_count(*raster) > kMostDecodingBytes) {
    refuse(ErrorCode::usage, "WebP", "fewer pixels of a lossless picture with transparency",
           size_text(raster->width, raster->height) + ", which take too much memory", "save it as PNG");
  }
  allocate(raster);
  const int64_t step = channels(raster->kind);
  const int64_t row = raster->width * step;
  const auto at = static_cast<size_t>(frame.y_offset * row + frame.x_offset * step);
  const auto decode = raster->kind == Raster::Kind::rgba ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(frame.fragment.bytes, frame.fragment.size, raster->samples.data() + at, raster->samples.size() - at,
             static_cast<int>(row)) == nullptr) {
    refuse_broken();
  }
}

}  // namespace

Raster read_webp(std::span<const uint8_t> bytes) {
  const WebPData data{.bytes = bytes.data(), .size = bytes.size()};
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemux(&data), WebPDemuxDelete);
  if (demuxer == nullptr) refuse_broken();
  Raster raster;
  raster.width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  raster.height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  check_picture_size(raster.width, raster.height);
  read_first_frame(demuxer.get(), &raster);
  const std::span<const uint8_t> profile = chunk(demuxer.get(), "ICCP");
  raster.profile.assign(profile.begin(), profile.end());
  const std::span<const uint8_t> xmp = chunk(demuxer.get(), "XMP ");
  raster.orientation =
      orientation_of(chunk(demuxer.get(), "EXIF"), {reinterpret_cast<const char*>(xmp.data()), xmp.size()});
  return raster;
}

}  // namespace glm
