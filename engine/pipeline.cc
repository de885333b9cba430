#include "glm/pipeline.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <optional>

#include "base/cpu_count.h"
#include "base/free_memory.h"
#include "engine/boundary.h"
#include "engine/call_queue.h"
#include "engine/checkpoint/dtype.h"
#include "engine/device/device.h"
#include "engine/run/cost.h"
#include "engine/run/model.h"
#include "engine/run/picture_run.h"
#include "engine/run/settings.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

struct Pipeline::Engine {
  Engine(const fs::path& checkpoint, const LoadOptions& options)
      : threads(options.threads > 0 ? options.threads : cpu_count()) {
    if (options.threads < 0 || options.threads > 1024) {
      throw Error(ErrorCode::usage, "threads: expected 0 to 1024, found " + std::to_string(options.threads));
    }
    queue.run([&] { load(checkpoint, options); }, options.cancel);
  }
  // The model's memory goes on the thread that got it.
  ~Engine() {
    try {
      queue.run([&] {
        kept.reset();
        model.reset();
      });
    } catch (...) {  // memory for nothing more; the members' own destructors do it
    }
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void load(const fs::path& checkpoint, const LoadOptions& options) {
    std::string note;
    const at::Device to = guarded(at::kCPU, [&] { return open_device(options.device, &note); });
    if (!note.empty()) warnings.push_back(note);
    model = guarded(to, [&] {
      at::set_num_threads(threads);
      return std::make_unique<const Model>(
          checkpoint, options.dtype, to,
          ModelOptions{
              .prior_precision = options.prior_precision, .kernels = options.kernels, .cancel = options.cancel});
    });
    guarded(to, [&] {
      const int64_t limit = options.reference_bytes < 0 ? memory_of(to) / 10 : options.reference_bytes;
      kept = std::make_unique<Kept>(Kept{ReferenceStore(limit), {}});
      device = to.str();
      dtype = dtype_option(model->dtype);
      warnings.insert(warnings.end(), model->warnings.begin(), model->warnings.end());
      const std::vector<std::string>& more = model->text_tokenizer.warnings();
      warnings.insert(warnings.end(), more.begin(), more.end());
    });
  }

  // Runs a public call on the pipeline's thread and returns what it returns.
  template <typename Call>
  auto run(const CancelToken* cancel, Call call) {
    std::optional<decltype(call())> result;
    queue.run(
        [&] {
          try {
            result = guarded(model->device, [&] {
              at::set_num_threads(threads);
              return call();
            });
          } catch (const Error& e) {
            if (e.code() == ErrorCode::memory) kept->references.clear();  // for the next call
            throw;
          }
        },
        cancel);
    return std::move(*result);
  }

  // A GPU says itself when it has too little; of the computer's memory the kernel would end the process.
  void check_memory(const Request& request) const {
    if (!model->device.is_cpu()) return;
    const Settings s = settle(request, model->config);
    const double need = working_bytes(model->config, s.canvas(), static_cast<double>(c10::elementSize(model->dtype)));
    const int64_t found = free_memory();
    if (need <= static_cast<double>(found)) return;
    throw out_of_memory("tried to allocate " + std::to_string(static_cast<int64_t>(need)) + " of " +
                        std::to_string(found) + " bytes");
  }

  int threads;
  std::string device, dtype;
  std::vector<std::string> warnings;
  std::unique_ptr<const Model> model;
  std::unique_ptr<Kept> kept;
  CallQueue queue;  // ends first
};

Pipeline::Pipeline(const fs::path& checkpoint, const LoadOptions& options)
    : engine_(guarded(at::kCPU, [&] { return std::make_unique<Engine>(checkpoint, options); })) {}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

const std::vector<std::string>& Pipeline::warnings() const {
  return engine_->warnings;
}
const std::string& Pipeline::device() const {
  return engine_->device;
}
const std::string& Pipeline::dtype() const {
  return engine_->dtype;
}

Details Pipeline::details(const Request& request) const {
  const ModelConfig& config = engine_->model->config;
  return guarded(at::kCPU, [&] { return details_of(settle(request, config), config); });
}

Result Pipeline::generate(const Request& request, const Callbacks& callbacks) const {
  Engine& e = *engine_;
  return e.run(callbacks.cancel, [&] {
    e.check_memory(request);
    Result result = run_picture(*e.model, *e.kept, request, callbacks);
    result.peak_bytes = peak_memory_of(e.model->device);
    return result;
  });
}

std::vector<Tokens> Pipeline::tokens(const Request& request, const Callbacks& callbacks) const {
  Engine& e = *engine_;
  return e.run(callbacks.cancel, [&] { return run_tokens(*e.model, *e.kept, request, callbacks); });
}

std::vector<Latents> Pipeline::latents(const Request& request, const std::vector<Tokens>& tokens,
                                       const Callbacks& callbacks) const {
  Engine& e = *engine_;
  return e.run(callbacks.cancel, [&] { return run_latents(*e.model, *e.kept, request, tokens, callbacks); });
}

Result Pipeline::pixels(const Request& request, const std::vector<Latents>& latents, const Callbacks& callbacks) const {
  Engine& e = *engine_;
  return e.run(callbacks.cancel, [&] { return run_pixels(*e.model, *e.kept, request, latents, callbacks); });
}

}  // namespace glm
