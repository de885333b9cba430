// Each kind of file against what PIL reads from it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cfenv>
#include <filesystem>

#include "base/text.h"
#include "glm/encode.h"
#include "glm/picture_file.h"
#include "tests/base/refusal.h"
#include "tests/pictures/goldens.h"

namespace glm {
namespace {

const std::string kFiles = GLM_GOLDENS "/files/";

struct Case {
  std::string file, expected;  // expected: a picture instead of a checksum
  int64_t width, height;
  uint32_t crc;
  int levels;
};

std::vector<Case> cases() {
  std::vector<Case> cases;
  const nlohmann::json golden = read_golden("decoded.json");
  for (const auto& entry : golden.at("decoded")) {
    cases.push_back({entry["file"], entry.value("expected", ""), entry["size"][0], entry["size"][1],
                     entry.value("crc", 0U), entry.value("levels", 0)});
  }
  return cases;
}

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.file;
}

class Decode : public testing::TestWithParam<Case> {};

TEST_P(Decode, GivesThePixelsOfPil) {
  const Case& c = GetParam();
  const Image image = read_picture(kFiles + c.file);
  EXPECT_EQ(image.width, c.width);
  EXPECT_EQ(image.height, c.height);
  ASSERT_EQ(image.rgb.size(), static_cast<size_t>(c.width * c.height * 3));
  if (c.expected.empty()) {
    EXPECT_EQ(checksum(image), c.crc);
    return;
  }
  const Image expected = read_picture(kFiles + c.expected);
  ASSERT_EQ(image.rgb.size(), expected.rgb.size());
  int farthest = 0;
  for (size_t i = 0; i < image.rgb.size(); ++i) {
    farthest = std::max(farthest, std::abs(int{image.rgb[i]} - int{expected.rgb[i]}));
  }
  EXPECT_LE(farthest, c.levels);
}

// A host's own arithmetic changes no pixel, and stays.
TEST_P(Decode, ComputesAsCppBeginsWhateverTheHostDoes) {
  const std::string contents = read_bytes(kFiles + GetParam().file);
  const std::span<const uint8_t> bytes = as_bytes(contents);
  const Image image = decode_picture(bytes);
  std::fenv_t own;
  std::fegetenv(&own);
  for (const bool traps : {false, true}) {
    std::fesetround(FE_UPWARD);
    if (traps) ::feenableexcept(FE_ALL_EXCEPT);
    const Image again = decode_picture(bytes);
    std::vector<uint8_t> jpeg = encode_picture(again, PictureFormat::jpeg, 90, {});
    std::vector<uint8_t> webp = encode_picture(again, PictureFormat::webp, 90, {});
    const bool kept = std::fegetround() == FE_UPWARD && (::fegetexcept() == FE_ALL_EXCEPT) == traps;
    std::fesetenv(&own);
    EXPECT_TRUE(kept);
    EXPECT_EQ(again.rgb, image.rgb);
    EXPECT_EQ(jpeg, encode_picture(image, PictureFormat::jpeg, 90, {}));
    EXPECT_EQ(webp, encode_picture(image, PictureFormat::webp, 90, {}));
  }
}

INSTANTIATE_TEST_SUITE_P(Files, Decode, testing::ValuesIn(cases()), [](const auto& test) {
  std::string name = test.param.file;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

TEST(ReadPicture, NamesTheFile) {
  EXPECT_TRUE(refused(ErrorCode::io, {"/nowhere/at_all.png"}, [] { read_picture("/nowhere/at_all.png"); }));
  EXPECT_TRUE(refused(ErrorCode::io, {"/tmp"}, [] { read_picture("/tmp"); }));
  const std::string pipe = testing::TempDir() + "glm_picture_pipe_" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(refused(ErrorCode::io, {pipe}, [&] { read_picture(pipe); }));  // nobody waits for a writer
  std::filesystem::remove(pipe);
  EXPECT_TRUE(refused(ErrorCode::usage, {GLM_GOLDENS "/sizes.json", "PNG, JPEG, WebP, BMP or GIF"},
                      [] { read_picture(GLM_GOLDENS "/sizes.json"); }));
}

TEST(ReadPicture, SaysWhatAnotherKindOfFileIs) {
  using namespace std::string_literals;
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"\0\0\0\x1c"s + "ftypheic", "a HEIC picture; open it in another program and save it as PNG or JPEG"},
      {"\0\0\0\x1c"s + "ftypmif1", "a HEIC picture"},
      {"\0\0\0\x1c"s + "ftypavif", "an AVIF picture"},
      {"\0\0\0\x1c"s + "ftypisom", "a video"},
      {"II*\0"s, "a TIFF"},
      {"MM\0*"s, "a TIFF"},
      {"\xff\x0a", "a JPEG XL picture"},
      {"\0\0\0\x0cJXL \r\n"s, "a JPEG XL picture"},
      {"\0\0\0\x0cjP  \r\n"s, "a JPEG 2000 picture"},
      {"8BPS", "a picture of Photoshop"},
      {"%PDF-1.7", "a PDF"},
      {"\0\0\1\0"s, "an icon"},
      {"P6\n4 4\n255\n", "a PNM picture"},
      {"\xef\xbb\xbf <?xml version='1.0'?>\n<svg>", "an SVG drawing"},
      {"<!DOCTYPE html>", "a web page; open it in a browser"},
      {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, which stands for the file; fetch"},
      {"", "an empty file"},
      {"a cat", "another kind of file"}};
  for (const auto& [bytes, said] : rows) {
    const std::vector<uint8_t> file(bytes.begin(), bytes.end());
    EXPECT_TRUE(refused(ErrorCode::usage, {"expected a PNG, JPEG, WebP, BMP or GIF, found " + said},
                        [&file = file] { decode_picture(file); }));
  }
}

TEST(ReadPicture, ReadsNoFileLargerThanPicturesAre) {
  const std::filesystem::path file =
      std::filesystem::path(testing::TempDir()) / ("glm_large_picture_" + std::to_string(getpid()));
  write_bytes(file, "\x89PNG\r\n\x1a\n");
  std::filesystem::resize_file(file, uint64_t{1} << 40);  // holds nothing on most disks
  EXPECT_TRUE(refused(ErrorCode::usage, {file.string(), "1099511627776"}, [&] { read_picture(file); }));
  std::filesystem::remove(file);
  const std::vector<uint8_t> bytes(size_t{160} << 20, 'B');
  EXPECT_TRUE(refused(ErrorCode::usage, {std::to_string(bytes.size())}, [&] { decode_picture(bytes); }));
}

}  // namespace
}  // namespace glm
