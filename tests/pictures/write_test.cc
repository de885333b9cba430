// Writing pictures in a host's process.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "glm/encode.h"
#include "glm/error.h"
#include "glm/picture_file.h"
#include "tests/base/child.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

// Its pixels don't compress to a few bytes.
Image noise() {
  Image image{.width = 128, .height = 128, .rgb = std::vector<uint8_t>(size_t{3} * 128 * 128)};
  uint32_t state = 1;
  for (uint8_t& byte : image.rgb) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24U);
  }
  return image;
}

TEST(WritePng, FailsInAHostWithoutASignal) {
  const TemporaryFolder folder;
  std::ofstream(folder / "old.png") << "old";
  const int status = in_child([&] {
    const rlimit limit{4096, 4096};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    for (const char* name : {"old.png", "new.png"}) {
      try {
        write_png(folder / name, noise());
        return false;
      } catch (const Error& e) {
        if (e.code() != ErrorCode::io) return false;
      }
    }
    return true;
  });
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(fs::exists(folder / "new.png"));
  EXPECT_EQ(fs::file_size(folder / "old.png"), 3U);
}

TEST(WritePng, FollowsALinkAndKeepsPermissions) {
  const TemporaryFolder folder;
  fs::create_symlink("real.png", folder / "link.png");
  write_png(folder / "link.png", noise());
  fs::permissions(folder / "real.png", fs::perms::owner_read | fs::perms::owner_write);
  write_png(folder / "link.png", noise());
  EXPECT_TRUE(fs::is_symlink(folder / "link.png"));
  EXPECT_EQ(read_picture(folder / "real.png").rgb, noise().rgb);
  EXPECT_EQ(fs::status(folder / "real.png").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

}  // namespace
}  // namespace glm
