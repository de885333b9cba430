#include "pictures/raster.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int orientation = glm::exif_orientation({data, size});
  if (orientation < 1 || orientation > 8) __builtin_trap();
  return 0;
}
