#include <libexif/exif-data.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "base/atomic_file.h"
#include "base/own_arithmetic.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"
#include "pictures/encoders.h"

namespace glm {
namespace {

constexpr std::string_view kAscii("ASCII\0\0\0", 8);  // how a UserComment names its character code
constexpr size_t kMostBytes = size_t{256} << 20;

template <typename T, void (*free)(T*)>
struct Free {
  void operator()(T* object) const { free(object); }
};
using Exif = std::unique_ptr<ExifData, Free<ExifData, exif_data_unref>>;

template <typename T>
T* allocated(T* object) {
  if (object == nullptr) throw std::bad_alloc();
  return object;
}

// Returns "Exif\0\0" and EXIF data with a UserComment alone; nothing for an empty text.
std::vector<uint8_t> exif_of(const std::string& about) {
  if (about.empty()) return {};
  if (about.size() > kMostExifText) {
    refuse(ErrorCode::usage, "", "at most " + std::to_string(kMostExifText) + " bytes of metadata for JPEG and WebP",
           std::to_string(about.size()), "write a PNG, or no metadata");
  }
  const Exif exif(allocated(exif_data_new()));
  exif_data_set_byte_order(exif.get(), EXIF_BYTE_ORDER_INTEL);
  ExifEntry* entry = allocated(exif_entry_new());
  exif_content_add_entry(exif->ifd[EXIF_IFD_EXIF], entry);
  exif_entry_unref(entry);  // the content holds it
  entry->tag = EXIF_TAG_USER_COMMENT;
  entry->format = EXIF_FORMAT_UNDEFINED;
  entry->size = static_cast<unsigned>(kAscii.size() + about.size());
  entry->components = entry->size;
  entry->data = allocated(static_cast<unsigned char*>(std::malloc(entry->size)));  // freed with the entry
  std::memcpy(entry->data, kAscii.data(), kAscii.size());
  std::memcpy(entry->data + kAscii.size(), about.data(), about.size());
  unsigned char* bytes = nullptr;
  unsigned size = 0;
  exif_data_save_data(exif.get(), &bytes, &size);
  const std::unique_ptr<unsigned char, Free<void, std::free>> owned(allocated(bytes));
  return {bytes, bytes + size};
}

std::string comment_of(ExifData* exif) {
  if (exif == nullptr) return {};
  const ExifEntry* entry = exif_content_get_entry(exif->ifd[EXIF_IFD_EXIF], EXIF_TAG_USER_COMMENT);
  if (entry == nullptr || entry->data == nullptr) return {};
  const std::string_view text(reinterpret_cast<const char*>(entry->data), entry->size);
  return std::string(text.starts_with(kAscii) ? text.substr(kAscii.size()) : std::string_view());
}

// bytes: "Exif\0\0" and the EXIF data, or nothing.
std::string about_in_exif(std::span<const uint8_t> bytes) {
  if (bytes.empty()) return {};
  return comment_of(Exif(exif_data_new_from_data(bytes.data(), static_cast<unsigned>(bytes.size()))).get());
}

void check(const Image& image, int quality) {
  const auto side_fits = [](int64_t side) { return side >= 1 && side <= 16383; };  // WebP's limit
  if (!side_fits(image.width) || !side_fits(image.height) ||
      image.rgb.size() != static_cast<size_t>(3 * image.width * image.height)) {
    refuse("", "a picture of 1 to 16383 pixels a side with 3 bytes for each",
           size_text(image.width, image.height) + " with " + std::to_string(image.rgb.size()) + " bytes");
  }
  if (quality < 1 || quality > 100) {
    refuse("quality", "1 to 100", std::to_string(quality));
  }
}

template <typename Call>
auto guarded(Call call) {
  try {
    const OwnArithmetic arithmetic;
    return call();
  } catch (const std::bad_alloc&) {
    refuse(ErrorCode::memory, "", "memory for a picture's file", "too little", "close other programs");
  }
}

}  // namespace

std::vector<uint8_t> encode_picture(const Image& image, PictureFormat format, int quality, const PictureText& text) {
  return guarded([&] {
    check(image, quality);
    if (format == PictureFormat::jpeg) return encode_jpeg(image, quality, exif_of(text.about));
    if (format == PictureFormat::webp) return encode_webp(image, quality, exif_of(text.about));
    return encode_png(image, text);
  });
}

std::string read_about(std::span<const uint8_t> bytes) {
  return guarded([&]() -> std::string {
    const std::string_view text = as_text(bytes);
    if (bytes.size() > kMostBytes) return {};
    if (text.starts_with("\x89PNG\r\n\x1a\n")) return about_in_png(bytes);
    if (text.starts_with("\xff\xd8")) return about_in_exif(exif_in_jpeg(bytes));
    if (text.starts_with("RIFF")) return about_in_exif(exif_in_webp(bytes));
    return {};
  });
}

void write_png(const std::filesystem::path& file, const Image& image) {
  const std::vector<uint8_t> bytes = encode_picture(image, PictureFormat::png, /*quality=*/100, {});
  write_file(file, bytes_writer(bytes));
}

}  // namespace glm
