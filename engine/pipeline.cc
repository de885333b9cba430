#include "engine/pipeline.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <new>

#include "base/cpu_count.h"
#include "base/error.h"
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

// what: ATen's message, "… you tried to allocate 268435456 bytes. …"
Error out_of_memory(const std::string& what) {
  const size_t at = what.find("tried to allocate ");
  const std::string more =
      at == std::string::npos ? "" : " (" + what.substr(at, what.find(" bytes", at) - at) + " bytes)";
  return {ErrorCode::memory, "out of memory" + more + "; try a smaller size, or --dtype bfloat16"};
}

// Runs a public call: inference mode, which is per thread, and nothing but glm::Error comes out.
template <typename Call>
auto guarded(Call call) {
  try {
    const c10::InferenceMode inference;
    Silence silence;
    const c10::WarningUtils::WarningHandlerGuard guard(&silence);
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw out_of_memory("");
  } catch (const c10::Error& e) {
    const std::string what = e.what_without_backtrace();
    if (what.find("can't allocate memory") != std::string::npos) throw out_of_memory(what);
    throw Error(ErrorCode::internal, what);
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
    : model_(guarded([&] { return std::make_unique<const Model>(checkpoint, options.dtype); })),
      threads_(options.threads > 0 ? options.threads : cpu_count()) {}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

const PictureDefaults& Pipeline::defaults() const {
  return model_->config.picture;
}
const std::vector<std::string>& Pipeline::warnings() const {
  return model_->text_tokenizer.warnings();
}

Result Pipeline::generate(const Request& request, const Callbacks& callbacks) const {
  return guarded([&] {
    at::set_num_threads(threads_);
    return run_picture(*model_, request, callbacks);
  });
}

}  // namespace glm
