#include "glm/pipeline.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <optional>

#include "base/refuse.h"
#include "engine/boundary.h"
#include "engine/call_queue.h"
#include "engine/checkpoint/dtype.h"
#include "engine/device/compute_threads.h"
#include "engine/device/device.h"
#include "engine/run/measured_speeds.h"
#include "engine/run/memory.h"
#include "engine/run/model.h"
#include "engine/run/picture_run.h"
#include "engine/run/settings.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

struct Pipeline::Engine {
  Engine(const fs::path& checkpoint, const LoadOptions& options) : threads(threads_asked(options.threads)) {
    if (options.reference_bytes < -1) {
      refuse("reference_bytes", "-1 or more", std::to_string(options.reference_bytes));
    }
    queue.run([&] { open(options); }, options.cancel);
    queue.run([&] { load(checkpoint, options); }, options.cancel);
  }
  // The thread that allocated the model frees it.
  ~Engine() {
    try {
      queue.run([&] {
        cache.reset();
        model.reset();
        at::set_num_threads(threads);
        team.note_team();
      });
    } catch (...) {  // no memory is left to queue a call; the members' own destructors free all
    }
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Opens the device. This is a call of its own, because the queue registers itself for exit() again after each of the
  // first calls, and this one makes LibTorch's static objects.
  void open(const LoadOptions& options) {
    std::string note, few;
    to = guarded(at::kCPU, [&] { return open_device(options.device, &note); });
    guarded(to, [&] {
      check_libtorch();
      threads = start_compute_threads(threads, &few);
      compute_once();
    });
    for (const std::string& text : {note, few, slow_kernels()}) {
      if (!text.empty()) warnings.push_back(text);
    }
  }

  void load(const fs::path& checkpoint, const LoadOptions& options) {
    model = guarded(to, [&] {
      return std::make_unique<const Model>(checkpoint, options.dtype, to,
                                           ModelOptions{.precision = options.precision,
                                                        .kernels = options.kernels,
                                                        .look_ahead = options.look_ahead,
                                                        .map_weights = options.map_weights,
                                                        .cancel = options.cancel});
    });
    guarded(to, [&] {
      const int64_t limit = options.reference_bytes < 0 ? memory_of(to) / 10 : options.reference_bytes;
      cache = std::make_unique<CallCache>(CallCache{ReferenceStore(limit), {}});
      device = to.str();
      dtype = dtype_option(model->dtype);
      warnings.insert(warnings.end(), model->warnings.begin(), model->warnings.end());
      speeds.emplace(MeasuredSpeeds::of(to, threads, model->config, model->dtype, options));
      const std::vector<std::string>& more = model->text_tokenizer.warnings();
      warnings.insert(warnings.end(), more.begin(), more.end());
    });
  }

  // Stores how fast the stages were, for plan(). If several pictures shared their passes, the time of their tokens says
  // nothing about the tokens of one picture, and so it isn't stored. all_read: no reference came from the call cache,
  // which takes no time.
  void learn(const Request& request, const Result& result, bool all_read) const {
    const Settings settings = settle(request, model->config);
    const CallLoad asked = load_of(model->config, request, settings, /*keeps_pictures=*/true);
    Speeds measured =
        speeds_of(work_of(model->config, settings.canvas(), kPromptLength, asked.references), result.times);
    if (request.seeds.size() > 1) measured.read = 0;
    if (!all_read) measured.references = 0;
    speeds->learn(measured);
  }

  // Runs a public call on the pipeline's thread and returns its result. When the call runs out of memory and the call
  // cache holds references, they are dropped and the call runs once more, unless the caller has been given a picture, a
  // preview or a tensor already.
  template <typename Call>
  auto run(const Callbacks& callbacks, Call call) {
    std::optional<decltype(call(callbacks))> result;
    bool handed_out = false;
    const Callbacks own = watched(callbacks, &handed_out);
    queue.run(
        [&] {
          try {
            result = computed(own, call);
          } catch (const Error& e) {
            if (e.code() != ErrorCode::memory || cache->references.count() == 0) throw;
            cache->references.clear();  // makes room for this call, or for the next one
            if (handed_out) throw;
          }
          if (!result) result = computed(own, call);
        },
        callbacks.cancel);
    return std::move(*result);
  }

  template <typename Call>
  auto computed(const Callbacks& callbacks, Call call) const {
    return guarded(model->device, [&] {
      at::set_num_threads(threads);
      model->check_mapped_files();
      return call(callbacks);
    });
  }

  // Returns callbacks that set *handed_out when a picture, a preview or a tensor goes to the caller. After each token
  // and step they look after what the call needs: the process, and the files that the weights are mapped from.
  Callbacks watched(const Callbacks& callbacks, bool* handed_out) {
    Callbacks own = callbacks;
    const auto watch = [this, handed_out](auto& callback) {
      if (!callback) return;
      callback = [this, handed_out, given = std::move(callback)](auto&& value) {
        *handed_out = true;
        queue.call_back([&] { given(std::forward<decltype(value)>(value)); });
      };
    };
    own.progress = [this, given = std::move(own.progress)](Stage stage, int64_t done, int64_t total) {
      queue.call_back([&] {
        if (given) given(stage, done, total);
      });
      model->check_mapped_files();
    };
    watch(own.picture);
    watch(own.preview);
    watch(own.tap);
    return own;
  }

  int threads;  // that LibTorch computes with; before the load, those that were asked for
  at::Device to = at::kCPU;
  std::string device, dtype;
  std::vector<std::string> warnings;
  std::unique_ptr<const Model> model;
  std::unique_ptr<CallCache> cache;
  std::optional<MeasuredSpeeds> speeds;
  EndOfTeam team;
  CallQueue queue;  // the last member: its thread ends before the others are destroyed
};

// In a child that a fork has made, an engine stays as it is: destroying it would wait for threads that aren't there.
Pipeline::Pipeline(const fs::path& checkpoint, const LoadOptions& options)
    : engine_(guarded(at::kCPU, [&] {
        const auto destroy = [](Engine* engine) {
          if (!engine->queue.is_in_child()) delete engine;
        };
        return std::shared_ptr<Engine>(new Engine(checkpoint, options), destroy);
      })) {}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

// Every call holds the engine, because the pipeline may be destroyed meanwhile, for example in a callback.
std::shared_ptr<Pipeline::Engine> Pipeline::engine() const {
  if (engine_ == nullptr) refuse("", "a pipeline with a checkpoint", "one that was moved from");
  engine_->queue.check_process();
  return engine_;
}

const std::vector<std::string>& Pipeline::warnings() const {
  return engine()->warnings;
}
const std::string& Pipeline::device() const {
  return engine()->device;
}
const std::string& Pipeline::dtype() const {
  return engine()->dtype;
}

Details Pipeline::details(const Request& request) const {
  const std::shared_ptr<Engine> e = engine();
  const ModelConfig& config = e->model->config;
  return guarded(at::kCPU, [&] { return details_of(settle(request, config), config); });
}

Result Pipeline::generate(const Request& request, const Callbacks& callbacks) const {
  const std::shared_ptr<Engine> e = engine();
  return e->run(callbacks, [&](const Callbacks& own) {
    const auto stored = e->cache->references.count();
    Result result = run_picture(*e->model, *e->cache, request, own);
    const bool all_read = e->cache->references.count() == stored + request.references.size();
    if (!request.full_taps && !own.tap) e->learn(request, result, all_read);
    result.peak_bytes = peak_memory_of(e->model->device);
    return result;
  });
}

void Pipeline::check(const Request& request) const {
  const std::shared_ptr<Engine> e = engine();
  guarded(at::kCPU, [&] { check_request(*e->model, *e->cache, request); });
}

std::vector<Tokens> Pipeline::tokens(const Request& request, const Callbacks& callbacks) const {
  const std::shared_ptr<Engine> e = engine();
  return e->run(callbacks,
                [&](const Callbacks& own) {
                  return run_tokens(*e->model, *e->cache, {&request, 1}, own);
                })
      .front();
}

std::vector<std::vector<Tokens>> Pipeline::tokens(const std::vector<Request>& requests,
                                                  const Callbacks& callbacks) const {
  const std::shared_ptr<Engine> e = engine();
  return e->run(callbacks, [&](const Callbacks& own) { return run_tokens(*e->model, *e->cache, requests, own); });
}

std::vector<Latents> Pipeline::latents(const Request& request, const std::vector<Tokens>& tokens,
                                       const Callbacks& callbacks) const {
  const std::shared_ptr<Engine> e = engine();
  return e->run(callbacks,
                [&](const Callbacks& own) { return run_latents(*e->model, *e->cache, request, tokens, own); });
}

Result Pipeline::pixels(const Request& request, const std::vector<Latents>& latents, const Callbacks& callbacks) const {
  const std::shared_ptr<Engine> e = engine();
  return e->run(callbacks,
                [&](const Callbacks& own) { return run_pixels(*e->model, *e->cache, request, latents, own); });
}

}  // namespace glm
