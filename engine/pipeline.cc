#include "engine/pipeline.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <new>

#include "base/cpu_count.h"
#include "base/error.h"
#include "engine/device.h"
#include "engine/model.h"
#include "engine/picture_run.h"
#include "engine/references.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

// What ATen warns of is upstream's business, and the library prints nothing.
class Silence : public c10::WarningHandler {
 public:
  void process(const c10::Warning& /*warning*/) override {}
};

// The part of `text` from `begin` to the end of `end`, in brackets, or nothing.
std::string excerpt(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t first = text.find(begin);
  const size_t last = first == std::string::npos ? first : text.find(end, first);
  return last == std::string::npos ? "" : " (" + text.substr(first, last + end.size() - first) + ")";
}

// Memory of the computer. what: ATen's message, "… you tried to allocate 268435456 bytes. …"
Error out_of_memory(const std::string& what) {
  return {ErrorCode::memory, "out of memory" + excerpt(what, "tried to allocate ", " bytes") +
                                 "; try a smaller size, or --dtype bfloat16"};
}

// what: "… Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.20 GiB is free. …", or what a
// library that allocates by itself says: "CUDA error: out of memory\n…".
Error out_of_gpu_memory(const std::string& what) {
  std::string more = excerpt(what, "Tried to allocate ", " is free");
  if (more.empty()) more = " (" + what.substr(0, std::min<size_t>(what.find('\n'), 200)) + ")";
  return {ErrorCode::memory, "out of memory of the GPU" + more +
                                 "; try a smaller size, fewer pictures at once, --dtype bfloat16 or --device cpu"};
}

bool is_out_of_memory(const std::string& what) {
  return what.find("can't allocate memory") != std::string::npos;
}

// The CUDA libraries' own allocations fail with words of their own.
bool is_out_of_gpu_memory(const c10::Error& e, const std::string& what) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&e) != nullptr) return true;
  for (const char* words : {"CUDA error: out of memory", "CUDA out of memory", "cudaErrorMemoryAllocation",
                            "CUDA_ERROR_OUT_OF_MEMORY", "_STATUS_ALLOC_FAILED", "DEVICE_ALLOCATION_FAILED"}) {
    if (what.find(words) != std::string::npos) return true;
  }
  return false;
}

// What ATen's error means to the caller. By now all tensors of the call are gone.
Error translated(const c10::Error& e, at::Device device) {
  const std::string what = e.what_without_backtrace();
  if (is_out_of_memory(what)) return out_of_memory(what);
  if (is_out_of_gpu_memory(e, what)) {
    release_cached_memory(device);  // so that the next call finds it in one piece
    return out_of_gpu_memory(what);
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
    case Stage::references:
      return "references";
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
  references_ =
      std::make_unique<ReferenceStore>(options.reference_bytes < 0 ? memory_of(device) / 10 : options.reference_bytes);
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
  try {
    return guarded(model_->device, [&] {
      at::set_num_threads(threads_);
      return run_picture(*model_, *references_, request, callbacks);
    });
  } catch (const Error& e) {
    if (e.code() == ErrorCode::memory) references_->clear();  // for the next call
    throw;
  }
}

}  // namespace glm
