// Where calls come in from outside: LibTorch's state of a call, and its errors in our words.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <new>
#include <string>

#include "glm/error.h"

namespace glm {

// What ATen warns of is upstream's business, and the library prints nothing.
class Silence : public c10::WarningHandler {
 public:
  void process(const c10::Warning& /*warning*/) override {}
};

// Memory of the computer. what: ATen's message, "… you tried to allocate 268435456 bytes. …", or nothing.
Error out_of_memory(const std::string& what);
// What ATen's error means to the caller. By now all tensors of the call are gone.
Error translated(const c10::Error& e, at::Device device);

// Runs a public call: inference mode and the current GPU, which are per thread, and nothing but glm::Error comes out.
template <typename Call>
auto guarded(at::Device device, Call call) {
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
    throw Error(ErrorCode::internal, e.what());
  } catch (...) {
    throw Error(ErrorCode::internal, "an exception of another kind, from a callback");
  }
}

}  // namespace glm
