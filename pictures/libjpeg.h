// What reading and writing a JPEG share. libjpeg reports an error by error_exit, which may not return. It jumps,
// because nothing may be thrown through libjpeg.
#pragma once

#include <cstdio>
// needs <cstdio>
#include <jpeglib.h>
// needs jpeglib.h
#include <jerror.h>

#include <csetjmp>

namespace glm {

struct JpegErrors {
  jpeg_error_mgr manager{};  // the first member: libjpeg hands on its address alone
  jmp_buf place{};
  char message[JMSG_LENGTH_MAX] = {};
  bool no_memory = false;

  // Sets `info` up to report here.
  void connect(j_common_ptr info) {
    info->err = jpeg_std_error(&manager);
    manager.error_exit = on_error;
    manager.emit_message = [](j_common_ptr, int) {};
  }
  // Runs `body` and returns whether it came to its end. libjpeg may leave it by a jump, so it makes no object with a
  // destructor.
  template <typename Body>
  bool run(Body&& body) {
    if (setjmp(place) != 0) return false;
    body();
    return true;
  }
  [[noreturn]] void jump(const char* why) {
    std::snprintf(message, sizeof message, "%s", why);
    longjmp(place, 1);
  }

 private:
  [[noreturn]] static void on_error(j_common_ptr info) {
    auto* self = reinterpret_cast<JpegErrors*>(info->err);
    self->no_memory = info->err->msg_code == JERR_OUT_OF_MEMORY;
    if (info->err->msg_code == JERR_NO_BACKING_STORE) self->jump("its progressive scans need too much memory");
    info->err->format_message(info, self->message);
    longjmp(self->place, 1);
  }
};

}  // namespace glm
