// Pictures as files, read back by libpng.
#include <gtest/gtest.h>
#include <png.h>

#include "glm/encode.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

// Every byte differs from its neighbours, so that a swapped channel, row or column shows.
Image pattern(int64_t width, int64_t height, unsigned start = 0) {
  Image image{width, height, {}};
  for (int64_t i = 0; i < width * height * 3; ++i) {
    image.rgb.push_back(static_cast<uint8_t>(start + static_cast<unsigned>(i) * 37U + static_cast<unsigned>(i / 256)));
  }
  return image;
}

Image read_png(const fs::path& file) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&header, file.c_str()) == 0) throw std::runtime_error(header.message);
  EXPECT_EQ(header.format, static_cast<png_uint_32>(PNG_FORMAT_RGB)) << "8 bits, no alpha, no palette";
  Image image{header.width, header.height, std::vector<uint8_t>(PNG_IMAGE_SIZE(header))};
  if (png_image_finish_read(&header, nullptr, image.rgb.data(), 0, nullptr) == 0) {
    throw std::runtime_error(header.message);
  }
  return image;
}

void expect_equal(const Image& read, const Image& written) {
  EXPECT_EQ(read.width, written.width);
  EXPECT_EQ(read.height, written.height);
  EXPECT_TRUE(read.rgb == written.rgb);
}

class WritePng : public testing::Test {
 protected:
  size_t entries() const {
    const fs::directory_iterator all(folder_.path());
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }
  const TemporaryFolder folder_;
  const fs::path file_ = folder_ / "picture.png";
};

TEST_F(WritePng, EveryByteComesBack) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 5}, {7, 3}, {130, 64}}) {
    write_png(file_, pattern(width, height));
    expect_equal(read_png(file_), pattern(width, height));
  }
  EXPECT_EQ(entries(), 1U);
}

TEST_F(WritePng, ReplacesWhatALinkNames) {
  const fs::path target = folder_ / "target.png";
  write_png(target, pattern(4, 4));
  fs::create_symlink("target.png", file_);
  write_png(file_, pattern(5, 3, 1));
  EXPECT_TRUE(fs::is_symlink(file_));
  EXPECT_FALSE(fs::is_symlink(target));
  expect_equal(read_png(target), pattern(5, 3, 1));
  EXPECT_EQ(entries(), 2U);
}

TEST_F(WritePng, LeavesDevicesAsTheyAre) {
  write_png("/dev/null", pattern(4, 4));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  if (!fs::is_character_file("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  EXPECT_TRUE(refused(ErrorCode::io, {"/dev/full"}, [] { write_png("/dev/full", pattern(4, 4)); }));
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

TEST_F(WritePng, SaysWhereItCannotWrite) {
  const fs::path missing = folder_ / "missing" / "picture.png";
  EXPECT_TRUE(refused(ErrorCode::io, {missing.string() + ":"}, [&] { write_png(missing, pattern(4, 4)); }));
  EXPECT_TRUE(refused(ErrorCode::io, {folder_.path().string() + ":", "found a folder"},
                      [&] { write_png(folder_.path(), pattern(4, 4)); }));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(WritePng, APictureWithoutPixelsIsNoFile) {
  EXPECT_TRUE(refused(ErrorCode::usage, {"expected a picture of 1 to 16383 pixels a side", "0x0"},
                      [&] { write_png(file_, Image{}); }));
  EXPECT_EQ(entries(), 0U);
}

}  // namespace
}  // namespace glm
