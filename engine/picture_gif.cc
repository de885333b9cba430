#include <gif_lib.h>

#include <algorithm>
#include <memory>

#include "engine/picture_raster.h"

namespace glm {
namespace {

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, Close>;

[[noreturn]] void refuse_broken() {
  refuse_picture("GIF: expected a whole and valid file, found a broken or shortened one; get the picture again");
}
void check(int result) {
  if (result != GIF_OK) refuse_broken();
}

int read(GifFileType* gif, GifByteType* to, int size) {
  auto* rest = static_cast<std::span<const uint8_t>*>(gif->UserData);
  const size_t count = std::min(rest->size(), static_cast<size_t>(size));
  std::copy_n(rest->begin(), count, to);
  *rest = rest->subspan(count);
  return static_cast<int>(count);
}

// Reads on to the first frame's place and size; returns the index that is transparent in it, or NO_TRANSPARENT_COLOR.
int find_first_frame(GifFileType* gif) {
  int transparent = NO_TRANSPARENT_COLOR;
  for (;;) {
    GifRecordType type{};
    check(DGifGetRecordType(gif, &type));
    if (type == IMAGE_DESC_RECORD_TYPE) {
      check(DGifGetImageDesc(gif));
      return transparent;
    }
    if (type != EXTENSION_RECORD_TYPE) refuse_broken();
    int code = 0;
    GifByteType* block = nullptr;
    check(DGifGetExtension(gif, &code, &block));
    GraphicsControlBlock control;
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr &&
        DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
      transparent = control.TransparentColor;
    }
    while (block != nullptr) check(DGifGetExtensionNext(gif, &block));
  }
}

// The order in which rows are stored.
std::vector<int64_t> row_order(const GifImageDesc& frame) {
  std::vector<int64_t> rows;
  const auto every = [&](int64_t first, int64_t step) {
    for (int64_t y = first; y < frame.Height; y += step) rows.push_back(y);
  };
  if (!frame.Interlace) {
    every(0, 1);
    return rows;
  }
  every(0, 8);
  every(4, 8);
  every(2, 4);
  every(1, 2);
  return rows;
}

}  // namespace

Raster read_gif(std::span<const uint8_t> bytes) {
  int error = 0;
  const Gif gif(DGifOpen(&bytes, read, &error));
  if (gif == nullptr) refuse_broken();
  check_picture_size(gif->SWidth, gif->SHeight);
  const int transparent = find_first_frame(gif.get());
  const GifImageDesc& frame = gif->Image;
  // Some first frames stand out of their screen; they are shown whole.
  Raster raster;
  raster.width = std::max<int64_t>(gif->SWidth, int64_t{frame.Left} + frame.Width);
  raster.height = std::max<int64_t>(gif->SHeight, int64_t{frame.Top} + frame.Height);
  allocate(&raster);
  std::fill(raster.samples.begin(), raster.samples.end(), uint8_t{255});
  const ColorMapObject* colours = frame.ColorMap != nullptr ? frame.ColorMap : gif->SColorMap;
  if (colours == nullptr) refuse_broken();
  std::vector<GifPixelType> line(static_cast<size_t>(frame.Width));
  for (const int64_t y : row_order(frame)) {
    check(DGifGetLine(gif.get(), line.data(), frame.Width));
    uint8_t* to = &raster.samples[static_cast<size_t>(((frame.Top + y) * raster.width + frame.Left) * 3)];
    for (const GifPixelType index : line) {
      if (index != transparent) {
        const GifColorType colour = index < colours->ColorCount ? colours->Colors[index] : GifColorType{};
        to[0] = colour.Red;
        to[1] = colour.Green;
        to[2] = colour.Blue;
      }
      to += 3;
    }
  }
  return raster;
}

}  // namespace glm
