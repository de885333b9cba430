// The border that public calls cross. It sets up LibTorch for the call, and makes every exception a glm::Error.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <new>
#include <string>

#include "base/guarded.h"
#include "glm/error.h"

namespace glm {

// Drops ATen's warnings: they are about operations that upstream uses, too, and the library prints nothing.
class Silence : public c10::WarningHandler {
 public:
  void process(const c10::Warning& /*warning*/) override {}
};

// The error for a computer with too little memory.
// what: ATen's message ("… you tried to allocate 268435456 bytes. …"), or "".
Error out_of_memory(const std::string& what);
// The error that tells the caller what ATen's error means. The call's tensors have been freed by now.
Error translated(const c10::Error& e, at::Device device);

// The error for any other exception, such as one of oneDNN.
Error translated(const std::exception& e);

// Runs a public call that computes with LibTorch, and returns its result. In it inference mode is on and `device` is
// the current GPU; LibTorch keeps both per thread. Throws nothing but glm::Error.
template <typename Call>
auto guarded(at::Device device, Call call) {
  return guarded([&] {
    try {
      const c10::InferenceMode inference;
      c10::OptionalDeviceGuard current;
      if (!device.is_cpu()) current.reset_device(device);
      Silence silence;
      const c10::WarningUtils::WarningHandlerGuard guard(&silence);
      return call();
    } catch (const Error&) {
      throw;
    } catch (const std::bad_alloc&) {
      throw out_of_memory("");
    } catch (const c10::Error& e) {
      throw translated(e, device);
    } catch (const std::exception& e) {
      throw translated(e);
    }
  });
}

}  // namespace glm
