#include "pictures/raster.h"

#include "glm/error.h"
#include "pictures/picture_size.h"

namespace glm {

int64_t channels(Raster::Kind kind) {
  switch (kind) {
    case Raster::Kind::grey:
      return 1;
    case Raster::Kind::grey_alpha:
      return 2;
    case Raster::Kind::rgb:
      return 3;
    default:
      return 4;
  }
}

void check_picture_size(int64_t width, int64_t height) {
  if (const std::string problem = size_problem(width, height); !problem.empty()) throw Error(ErrorCode::usage, problem);
}

void allocate(Raster* raster) {
  check_picture_size(raster->width, raster->height);
  raster->samples.resize(static_cast<size_t>(byte_count(*raster)));
}

}  // namespace glm
