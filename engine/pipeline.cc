#include "engine/pipeline.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <new>

#include "base/cpu_count.h"
#include "base/error.h"
#include "engine/device.h"
#include "engine/model.h"
#include "engine/picture_run.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

// What ATen warns of is upstream's business, and the library prints nothing.
class Silence : public c10::WarningHandler {
 public:
  void process(const c10::Warning& /*warning*/) override {}
};

// what: ATen's message, "… you tried to allocate 268435456 bytes. …", or of a GPU "… Tried to allocate 2.00 GiB. GPU 0
// has a total capacity of 79.11 GiB of which 1.20 GiB is free. …"
Error out_of_memory(const std::string& what) {
  std::string more;
  if (const size_t at = what.find("tried to allocate "); at != std::string::npos) {
    more = " (" + what.substr(at, what.find(" bytes", at) - at) + " bytes)";
  } else if (const size_t gpu = what.find("Tried to allocate "); gpu != std::string::npos) {
    more = " of the GPU (" + what.substr(gpu, what.find(" is free", gpu) - gpu) + " is free)";
  }
  return {ErrorCode::memory, "out of memory" + more + "; try a smaller size, or --dtype bfloat16"};
}

bool is_out_of_memory(const c10::Error& e, const std::string& what) {
  // The CUDA libraries' own allocations fail with words of their own.
  return dynamic_cast<const c10::OutOfMemoryError*>(&e) != nullptr ||
         what.find("can't allocate memory") != std::string::npos ||
         what.find("CUDA error: out of memory") != std::string::npos ||
         what.find("CUBLAS_STATUS_ALLOC_FAILED") != std::string::npos;
}

// What ATen's error means to the caller. By now all tensors of the call are gone.
Error translated(const c10::Error& e, at::Device device) {
  const std::string what = e.what_without_backtrace();
  if (is_out_of_memory(e, what)) {
    release_cached_memory(device);  // so that the next call finds it in one piece
    return out_of_memory(what);
  }
  if (dynamic_cast<const c10::AcceleratorError*>(&e) != nullptr) {
    return {ErrorCode::device, "the GPU failed: " + what.substr(0, what.find('\n')) +
                                   "; start the program again, and see nvidia-smi if it happens again"};
  }
  return {ErrorCode::internal, what};
}

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
  }
}

}  // namespace

const char* stage_name(Stage stage) {
  switch (stage) {
    case Stage::prior:
      return "tokens";
    case Stage::glyphs:
      return "glyphs";
    case Stage::denoise:
      return "steps";
    case Stage::decode:
      return "pixels";
  }
  return "";
}

Pipeline::Pipeline(const fs::path& checkpoint, const LoadOptions& options)
    : threads_(options.threads > 0 ? options.threads : cpu_count()) {
  std::string note;
  const at::Device device = guarded(at::kCPU, [&] { return open_device(options.device, &note); });
  if (!note.empty()) warnings_.push_back(note);
  model_ = guarded(device, [&] {
    at::set_num_threads(threads_);
    return std::make_unique<const Model>(
        checkpoint, options.dtype, device,
        ModelOptions{.prior_precision = options.prior_precision, .kernels = options.kernels});
  });
  warnings_.insert(warnings_.end(), model_->warnings.begin(), model_->warnings.end());
  const std::vector<std::string>& more = model_->text_tokenizer.warnings();
  warnings_.insert(warnings_.end(), more.begin(), more.end());
}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

const PictureDefaults& Pipeline::defaults() const {
  return model_->config.picture;
}
const std::vector<std::string>& Pipeline::warnings() const {
  return warnings_;
}

Result Pipeline::generate(const Request& request, const Callbacks& callbacks) const {
  return guarded(model_->device, [&] {
    at::set_num_threads(threads_);
    return run_picture(*model_, request, callbacks);
  });
}

}  // namespace glm
