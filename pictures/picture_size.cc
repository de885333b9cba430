#include "pictures/picture_size.h"

#include "base/text.h"
#include "glm/picture_file.h"

namespace glm {

std::string size_problem(int64_t width, int64_t height) {
  const auto within = [](int64_t side) { return side >= kSmallestPictureSide && side <= kLargestPictureSide; };
  if (within(width) && within(height) && width * height <= kMostPicturePixels) return "";
  return "expected a picture of " + std::to_string(kSmallestPictureSide) + " to " +
         std::to_string(kLargestPictureSide) + " pixels a side and at most " + std::to_string(kMostPicturePixels) +
         " in all (" + std::to_string(kMostJpegPixels) + " in a JPEG), found " + size_text(width, height) +
         "; resize it";
}

}  // namespace glm
