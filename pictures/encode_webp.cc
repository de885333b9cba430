#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>
#include <new>

#include "glm/error.h"
#include "pictures/encoders.h"

namespace glm {
namespace {

struct FreeMux {
  void operator()(WebPMux* mux) const { WebPMuxDelete(mux); }
};
struct FreeDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
struct FreeBytes {
  void operator()(uint8_t* bytes) const { WebPFree(bytes); }
};
using Bytes = std::unique_ptr<uint8_t, FreeBytes>;

constexpr size_t kExifHeader = 6;  // bytes of "Exif\0\0", which a WebP's chunk leaves out

void check(WebPMuxError error) {
  if (error == WEBP_MUX_MEMORY_ERROR) throw std::bad_alloc();
  if (error != WEBP_MUX_OK) throw Error(ErrorCode::internal, "libwebpmux: error " + std::to_string(error));
}

}  // namespace

std::vector<uint8_t> encode_webp(const Image& image, int quality, std::span<const uint8_t> exif) {
  uint8_t* encoded = nullptr;
  const size_t size = WebPEncodeRGB(image.rgb.data(), static_cast<int>(image.width), static_cast<int>(image.height),
                                    static_cast<int>(3 * image.width), static_cast<float>(quality), &encoded);
  const Bytes owned(encoded);
  if (size == 0) throw std::bad_alloc();  // its other errors are about sizes, which the caller has checked
  if (exif.empty()) return {encoded, encoded + size};
  const std::unique_ptr<WebPMux, FreeMux> mux(WebPMuxNew());
  if (mux == nullptr) throw std::bad_alloc();
  const WebPData picture{encoded, size};
  check(WebPMuxSetImage(mux.get(), &picture, /*copy_data=*/0));
  const WebPData chunk{exif.data() + kExifHeader, exif.size() - kExifHeader};
  check(WebPMuxSetChunk(mux.get(), "EXIF", &chunk, /*copy_data=*/0));
  WebPData whole{};
  check(WebPMuxAssemble(mux.get(), &whole));
  const Bytes owned_whole(const_cast<uint8_t*>(whole.bytes));
  return {whole.bytes, whole.bytes + whole.size};
}

std::vector<uint8_t> exif_in_webp(std::span<const uint8_t> bytes) {
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPDemuxer, FreeDemuxer> demuxer(WebPDemux(&data));
  WebPChunkIterator chunk{};
  if (demuxer == nullptr || WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &chunk) == 0) return {};
  std::vector<uint8_t> exif = {'E', 'x', 'i', 'f', 0, 0};
  exif.insert(exif.end(), chunk.chunk.bytes, chunk.chunk.bytes + chunk.chunk.size);
  WebPDemuxReleaseChunkIterator(&chunk);
  return exif;
}

}  // namespace glm
