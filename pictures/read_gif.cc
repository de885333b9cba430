#include <gif_lib.h>

#include <algorithm>
#include <memory>

#include "base/refuse.h"
#include "pictures/raster.h"

namespace glm {
namespace {

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, Close>;

[[noreturn]] void refuse_broken() {
  refuse(ErrorCode::usage, "GIF", "a whole and valid file", "a broken or shortened one", "get the picture again");
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

// Reads on to the first frame's pixels. *transparent becomes its transparent index, or NO_TRANSPARENT_COLOR.
void find_first_frame(GifFileType* gif, int* transparent) {
  *transparent = NO_TRANSPARENT_COLOR;
  for (;;) {
    GifRecordType type{};
    check(DGifGetRecordType(gif, &type));
    if (type == IMAGE_DESC_RECORD_TYPE) {
      check(DGifGetImageDesc(gif));
      return;
    }
    if (type != EXTENSION_RECORD_TYPE) refuse_broken();
    int code = 0;
    GifByteType* block = nullptr;
    check(DGifGetExtension(gif, &code, &block));
    GraphicsControlBlock control;
    if (code == GRAPHICS_EXT_FUNC_CODE && block != nullptr &&
        DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK) {
      *transparent = control.TransparentColor;
    }
    while (block != nullptr) check(DGifGetExtensionNext(gif, &block));
  }
}

// Opens the file at its first frame's pixels. *rest becomes the bytes from there on.
Gif open_at_first_frame(std::span<const uint8_t>* rest, int* transparent) {
  int error = 0;
  Gif gif(DGifOpen(rest, read, &error));
  if (gif == nullptr) refuse_broken();
  check_picture_size(gif->SWidth, gif->SHeight);
  find_first_frame(gif.get(), transparent);
  return gif;
}

// Refuses a frame with too many clear codes: at each one giflib empties a table of 4096 strings, so that a file of
// nothing else would keep it busy for long. Reads the frame's codes until there is one for each pixel. `rest` begins
// behind the byte that says how many bits a code has.
void check_clear_codes(GifFileType* gif, const std::span<const uint8_t>* rest) {
  const uint8_t bits = *(rest->data() - 1);
  if (bits > 8) refuse_broken();
  const int clear = 1 << bits;
  const int64_t pixels = int64_t{gif->Image.Width} * gif->Image.Height;
  const int64_t most_clears = 16384 + pixels / 32;
  int64_t clears = 0;
  for (int64_t codes = 0; codes < pixels;) {
    int code = 0;
    check(DGifGetLZCodes(gif, &code));
    if (code < 0) return;  // the end
    code == clear ? ++clears : ++codes;
    if (clears > most_clears) refuse_broken();
  }
}

// Returns the numbers of the rows in the order in which they are stored.
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
  int transparent = 0;
  std::span<const uint8_t> rest = bytes;
  check_clear_codes(open_at_first_frame(&rest, &transparent).get(), &rest);
  rest = bytes;
  const Gif gif = open_at_first_frame(&rest, &transparent);
  const GifImageDesc& frame = gif->Image;
  // Some first frames reach beyond their screen. They are shown whole.
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
