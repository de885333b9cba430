#include <cstring>

#include "base/refuse.h"
#include "glm/picture_file.h"
#include "pictures/libpng.h"
#include "pictures/orientation_texts.h"
#include "pictures/raster.h"

namespace glm {
namespace {

class PngReader {
 public:
  explicit PngReader(std::span<const uint8_t> bytes) : rest_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, on_png_error, on_png_warning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      refuse(ErrorCode::usage, "PNG", "a libpng of version " PNG_LIBPNG_VER_STRING, "another", "rebuild the program");
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  template <typename Body>
  bool run(Body&& body) {
    return run_png(png_, [&] { body(png_, info_); });
  }
  template <typename Body>
  void run_or_refuse(Body&& body) {
    if (!run(body)) {
      refuse(ErrorCode::usage, "PNG", "a whole and valid file", std::string("an error (") + errors_.message + ")",
             "save the picture again");
    }
  }

  // Limits how many bytes may be read for the last row. There libpng inflates all that is left, which can be a thousand
  // times as large as the file.
  void limit(bool is_last_row) { is_last_row_ = is_last_row; }

  static void read(png_structp png, png_bytep to, size_t size) {
    auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
    if (size > self->rest_.size()) png_error(png, "the file ends early");
    if (self->is_last_row_ && size > self->last_row_budget_) png_error(png, "far too many pixels");
    if (self->is_last_row_) self->last_row_budget_ -= size;
    std::memcpy(to, self->rest_.data(), size);
    self->rest_ = self->rest_.subspan(size);
  }

 private:
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::span<const uint8_t> rest_;
  bool is_last_row_ = false;
  size_t last_row_budget_ = 128 << 10;  // bytes of the file: more than a row of 8192 pixels takes
  PngErrors errors_;
};

constexpr png_byte kSkipped[] = "eXIf\0tEXt\0zTXt\0iTXt\0sPLT\0hIST\0pCAL\0sCAL\0tIME";

// Makes libpng skip chunks that say nothing about the pixels, because it would inflate them, too, and EXIF, of which it
// takes the first alone and refuses odd ones. `texts` looks at each of them first.
void skip_text(png_structp png, OrientationTexts* texts) {
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, kSkipped, sizeof kSkipped / 5);
  png_set_read_user_chunk_fn(png, texts, [](png_structp from, png_unknown_chunkp chunk) {
    auto* const to = static_cast<OrientationTexts*>(png_get_user_chunk_ptr(from));
    if (!to->take(reinterpret_cast<const char*>(chunk->name), {chunk->data, chunk->size})) png_error(from, "no memory");
    return chunk->name[0] >= 'a' ? 1 : 0;  // libpng refuses an unknown chunk that the pixels depend on
  });
  png_set_chunk_malloc_max(png, 4 << 20);
}

Raster::Kind kind_of(int channels) {
  switch (channels) {
    case 1:
      return Raster::Kind::grey;
    case 2:
      return Raster::Kind::grey_alpha;
    case 3:
      return Raster::Kind::rgb;
    default:
      return Raster::Kind::rgba;
  }
}

// Which pixels one pass of an interlaced picture holds. libpng could put them in their places itself, but goes through
// all rows of the picture for each pass.
struct Pass {
  int64_t left, top, across, down;
};
constexpr Pass kPasses[] = {{0, 0, 1, 1},  // the only pass of a picture that isn't interlaced
                            {0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
                            {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};

template <int step>
void spread(const uint8_t* row, uint8_t* to, const Pass& pass, int64_t width) {
  for (int64_t x = pass.left; x < width; x += pass.across, row += step) std::memcpy(to + x * step, row, step);
}

void spread(const uint8_t* row, uint8_t* to, const Pass& pass, const Raster& raster) {
  switch (raster.kind) {
    case Raster::Kind::grey:
      return spread<1>(row, to, pass, raster.width);
    case Raster::Kind::grey_alpha:
      return spread<2>(row, to, pass, raster.width);
    case Raster::Kind::rgb:
      return spread<3>(row, to, pass, raster.width);
    default:
      return spread<4>(row, to, pass, raster.width);
  }
}

// As many as the largest picture has with 8 bits and alpha. A small file may inflate to any number of bytes.
constexpr int64_t kMostInflatedBytes = 4 * kMostPicturePixels;

void check_inflated_size(int64_t bytes) {
  if (bytes <= kMostInflatedBytes) return;
  refuse(ErrorCode::usage, "PNG", "at most " + std::to_string(kMostInflatedBytes) + " bytes of pixels",
         std::to_string(bytes), "save it with 8 bits a channel");
}

}  // namespace

Raster read_png(std::span<const uint8_t> bytes) {
  OrientationTexts texts;
  PngReader reader(bytes);
  Raster raster;
  int64_t inflated = 0;
  reader.run_or_refuse([&](png_structp png, png_infop info) {
    png_set_read_fn(png, &reader, PngReader::read);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    skip_text(png, &texts);
    png_read_info(png, info);
    raster.width = png_get_image_width(png, info);
    raster.height = png_get_image_height(png, info);
    inflated = static_cast<int64_t>(png_get_rowbytes(png, info)) * raster.height;
  });
  check_picture_size(raster.width, raster.height);
  check_inflated_size(inflated);
  bool interlaced = false;
  reader.run_or_refuse([&](png_structp png, png_infop info) {
    png_set_expand(png);    // palettes and fewer bits become 8-bit samples, a transparent colour becomes alpha
    png_set_strip_16(png);  // takes the higher 8 of 16 bits, as PIL does
    png_read_update_info(png, info);
    raster.kind = kind_of(png_get_channels(png, info));
    interlaced = png_get_interlace_type(png, info) != PNG_INTERLACE_NONE;
  });
  allocate(&raster);
  std::vector<uint8_t> row(static_cast<size_t>(raster.width * channels(raster.kind)));
  const std::span<const Pass> passes = std::span(kPasses).subspan(interlaced ? 1 : 0, interlaced ? 7 : 1);
  reader.run_or_refuse([&](png_structp png, png_infop) {
    for (const Pass& pass : passes) {
      for (int64_t y = pass.top; y < raster.height; y += pass.down) {
        reader.limit(&pass == &passes.back() && y + pass.down >= raster.height);
        uint8_t* to = &raster.samples[static_cast<size_t>(y) * row.size()];
        png_read_row(png, pass.across == 1 ? to : row.data(), nullptr);  // a pass's pixels side by side
        if (pass.across != 1) spread(row.data(), to, pass, raster);
      }
    }
  });
  reader.limit(false);
  reader.run([&](png_structp png, png_infop info) { png_read_end(png, info); });  // EXIF may still follow
  reader.run([&](png_structp png, png_infop info) {
    png_charp name = nullptr;
    int compression = 0;
    png_bytep data = nullptr;
    png_uint_32 size = 0;
    if (png_get_iCCP(png, info, &name, &compression, &data, &size) != 0) raster.profile.assign(data, data + size);
  });
  raster.orientation = orientation_of(texts.exif(), texts.xmp());
  return raster;
}

}  // namespace glm
