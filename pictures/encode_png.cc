#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "glm/error.h"
#include "pictures/encoders.h"
#include "pictures/libpng.h"

namespace glm {
namespace {

constexpr const char* kKeyword = "glm-image";

// Where libpng's bytes go to and come from.
struct Stream {
  std::vector<uint8_t> written;
  std::span<const uint8_t> left;
  bool no_memory = false;
  PngErrors errors;
};

void write(png_structp png, png_bytep bytes, size_t size) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  try {
    stream->written.insert(stream->written.end(), bytes, bytes + size);
    return;
  } catch (const std::bad_alloc&) {
    stream->no_memory = true;
  }
  png_error(png, "out of memory");
}

void read(png_structp png, png_bytep to, size_t size) {
  auto* stream = static_cast<Stream*>(png_get_io_ptr(png));
  if (size > stream->left.size()) png_error(png, "the file ends early");
  std::memcpy(to, stream->left.data(), size);
  stream->left = stream->left.subspan(size);
}

png_text png_text_of(const char* keyword, const std::string& value) {
  png_text text{};
  text.compression = PNG_ITXT_COMPRESSION_NONE;
  text.key = const_cast<char*>(keyword);
  text.text = const_cast<char*>(value.c_str());
  text.itxt_length = value.size();
  return text;
}

// Returns the file without the chunks of its pixels. So what stands behind them is read, and they aren't inflated.
std::vector<uint8_t> without_pixels(std::span<const uint8_t> bytes) {
  constexpr uint64_t around = 12;  // bytes of a chunk that aren't its data: length, name and checksum
  constexpr std::string_view pixels = "IDAT";
  size_t at = std::min<size_t>(bytes.size(), 8);
  std::vector<uint8_t> rest(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(at));
  while (bytes.size() - at >= around) {
    const uint64_t size = png_get_uint_32(&bytes[at]) + around;
    const std::span<const uint8_t> chunk = bytes.subspan(at, std::min<uint64_t>(size, bytes.size() - at));
    if (std::memcmp(&chunk[4], pixels.data(), pixels.size()) != 0) rest.insert(rest.end(), chunk.begin(), chunk.end());
    at += chunk.size();
  }
  return rest;
}

std::string about_of(png_structp png, png_infop info) {
  png_textp texts = nullptr;
  int count = 0;
  png_get_text(png, info, &texts, &count);
  for (int i = 0; i < count; ++i) {
    if (std::strcmp(texts[i].key, kKeyword) == 0 && texts[i].text != nullptr) return texts[i].text;
  }
  return {};
}

}  // namespace

std::vector<uint8_t> encode_png(const Image& image, const PictureText& text) {
  Stream stream;
  std::vector<png_text> texts;
  if (!text.parameters.empty()) texts.push_back(png_text_of("parameters", text.parameters));
  if (!text.about.empty()) texts.push_back(png_text_of(kKeyword, text.about));
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &stream.errors, on_png_error, on_png_warning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  const bool good =
      info != nullptr && run_png(png, [&] {
        png_set_write_fn(png, &stream, write, [](png_structp) {});
        png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                     PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_set_sRGB(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
        if (!texts.empty()) png_set_text(png, info, texts.data(), static_cast<int>(texts.size()));
        png_write_info(png, info);
        for (int64_t y = 0; y < image.height; ++y)
          png_write_row(png, &image.rgb[static_cast<size_t>(3 * y * image.width)]);
        png_write_end(png, nullptr);
      });
  png_destroy_write_struct(&png, &info);
  if (stream.no_memory || (!good && stream.errors.message[0] == 0)) throw std::bad_alloc();
  if (!good) throw Error(ErrorCode::internal, std::string("libpng: ") + stream.errors.message);
  return std::move(stream.written);
}

std::string about_in_png(std::span<const uint8_t> bytes) {
  const std::vector<uint8_t> rest = without_pixels(bytes);
  Stream stream;
  stream.left = rest;
  std::string about;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &stream.errors, on_png_error, on_png_warning);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info != nullptr) {
    run_png(png, [&] {  // ends by an error, because there are no pixels; what came before it stays
      png_set_read_fn(png, &stream, read);
      png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      png_set_chunk_malloc_max(png, 4 << 20);
      png_set_chunk_cache_max(png, 64);
      png_read_info(png, info);
    });
    about = about_of(png, info);
  }
  png_destroy_read_struct(&png, &info, nullptr);
  return about;
}

}  // namespace glm
