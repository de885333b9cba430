// What reading and writing a PNG share. libpng reports an error by a jump to the last setjmp, so that nothing may be
// thrown through it.
#pragma once

#include <png.h>

#include <csetjmp>
#include <cstdio>

namespace glm {

// What libpng said last; it is handed to png_create_read_struct or png_create_write_struct with the two functions
// below.
struct PngErrors {
  char message[160] = {};
};

inline void on_png_error(png_structp png, png_const_charp message) {
  auto* errors = static_cast<PngErrors*>(png_get_error_ptr(png));
  std::snprintf(errors->message, sizeof errors->message, "%s", message);
  png_longjmp(png, 1);
}
inline void on_png_warning(png_structp, png_const_charp) {}

// Runs `body` and returns whether it came to its end. libpng may leave it by a jump, so it makes no object with a
// destructor.
template <typename Body>
bool run_png(png_structp png, Body&& body) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  body();
  return true;
}

}  // namespace glm
