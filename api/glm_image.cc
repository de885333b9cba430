// The C interface over pipeline.h. It translates values in both directions, and every exception into a status.
#include "glm_image.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "api/engine.h"
#include "api/start.h"
#include "api/values.h"
#include "base/checked.h"
#include "base/refuse.h"
#include "glm/error.h"
#include "glm/pipeline.h"
#include "glm/weight_formats.h"

namespace {

__attribute__((constructor)) void libraries_have_started() {
  glm_image_give_folder_back();
}

using glm::refuse;
using glm::c::callbacks_of;
using glm::c::check_struct_size;
using glm::c::checked_text;
using glm::c::Engine;
using glm::c::guarded;
using glm::c::hand_out;
using glm::c::kForked;
using glm::c::pipeline_of;
using glm::c::request_of;
using glm::c::taken;

// What a call was given, checked, and the sizes of one of its pictures.
struct Call {
  glm::Pipeline& pipeline;
  glm::Request request;
  glm::Callbacks callbacks;
  glm_sizes sizes{};

  Call(Engine& engine, const glm_request* asked, const glm_callbacks* given)
      : pipeline(pipeline_of(engine)), request(request_of(asked)), callbacks(callbacks_of(given, &request)) {
    const glm::Details d = pipeline.details(request);
    const auto product = [](int64_t a, int64_t b, int64_t c) { return static_cast<size_t>(a * b * c); };
    sizes = {.struct_size = sizeof(glm_sizes),
             .width = d.width,
             .height = d.height,
             .picture_bytes = product(3, d.width, d.height),
             .grid_width = d.grid_width,
             .grid_height = d.grid_height,
             .tokens = product(1, d.grid_width, d.grid_height),
             .latent_channels = d.latent_channels,
             .latent_width = d.latent_width,
             .latent_height = d.latent_height,
             .latents = product(d.latent_channels, d.latent_width, d.latent_height)};
  }

  // Throws Error(usage) unless the caller's buffer has room for all pictures. count: its elements; each: of a picture.
  void expect(const void* buffer, size_t count, size_t each, const std::string& name) const {
    uint64_t need = 0;
    if (!glm::checked_multiply(each, request.seeds.size(), &need) || buffer == nullptr || count < need) {
      refuse(name, "room for " + std::to_string(need), buffer == nullptr ? "NULL" : std::to_string(count));
    }
  }

  // Each picture goes to the caller's buffer when it is finished, so that a cancelled call leaves the finished ones
  // there.
  void write_pictures_to(uint8_t* rgb, const glm_callbacks* given) {
    const glm_callbacks c = taken(given, glm_callbacks_init, "glm_callbacks");
    callbacks.picture = [this, rgb, c, index = size_t{0}](const glm::Picture& p) mutable {
      uint8_t* to = rgb + index * sizes.picture_bytes;
      std::copy(p.image.rgb.begin(), p.image.rgb.end(), to);
      const glm_picture picture{to, p.image.width, p.image.height};
      if (c.picture != nullptr) c.picture(c.user, index, p.seed, &picture);
      ++index;
    };
  }
};

}  // namespace

extern "C" {

const char* glm_image_version(void) {
  return GLM_VERSION;
}

const char* glm_precision_choice(size_t index) {
  try {
    static const std::vector<std::string> all = glm::precision_choices();
    return index < all.size() ? all[index].c_str() : nullptr;
  } catch (...) {
    return nullptr;
  }
}

glm_cancel* glm_cancel_create(void) {
  return new (std::nothrow) glm_cancel;
}
void glm_cancel_set(glm_cancel* cancel) {
  if (cancel != nullptr) cancel->token.cancel();
}
void glm_cancel_destroy(glm_cancel* cancel) {
  delete cancel;
}

void glm_load_options_init(glm_load_options* options) {
  if (options == nullptr) return;
  *options = {.struct_size = sizeof(glm_load_options),
              .dtype = "auto",
              .device = "auto",
              .precision = "",
              .kernels = "auto",
              .threads = 0,
              .reference_bytes = -1,
              .cancel = nullptr,
              .map_weights = 0,
              .look_ahead = "auto"};
}

void glm_request_init(glm_request* request) {
  if (request == nullptr) return;
  *request = {};
  request->struct_size = sizeof(glm_request);
  request->guidance = request->temperature = request->top_p = -1;
  request->top_k = -1;
}

void glm_callbacks_init(glm_callbacks* callbacks) {
  if (callbacks == nullptr) return;
  *callbacks = {};
  callbacks->struct_size = sizeof(glm_callbacks);
  callbacks->preview_every = 1;
}

void glm_sizes_init(glm_sizes* sizes) {
  if (sizes == nullptr) return;
  *sizes = {};
  sizes->struct_size = sizeof(glm_sizes);
}

glm_engine* glm_engine_create(void) {
  try {
    return new glm_engine;
  } catch (...) {
    return nullptr;
  }
}
void glm_engine_destroy(glm_engine* handle) {
  // In a child the engine is left alone. Its threads are only in the parent, and they may have held its locks.
  if (handle != nullptr && !handle->engine->process.is_in_child()) delete handle;
}

glm_status glm_engine_load(glm_engine* handle, const char* checkpoint, const glm_load_options* options) {
  return guarded(handle, [&](Engine& engine) {
    const glm_load_options o = taken(options, glm_load_options_init, "glm_load_options");
    const std::lock_guard loading(engine.load);
    if (engine.pipeline != nullptr) refuse("engine", "one without a checkpoint", "one that has loaded one already");
    auto loaded =
        std::make_unique<glm::Pipeline>(checked_text(checkpoint, "checkpoint"),
                                        glm::LoadOptions{.dtype = checked_text(o.dtype, "dtype"),
                                                         .device = checked_text(o.device, "device"),
                                                         .precision = checked_text(o.precision, "precision"),
                                                         .kernels = checked_text(o.kernels, "kernels"),
                                                         .look_ahead = checked_text(o.look_ahead, "look_ahead"),
                                                         .threads = o.threads,
                                                         .reference_bytes = o.reference_bytes,
                                                         .map_weights = o.map_weights != 0,
                                                         .cancel = o.cancel == nullptr ? nullptr : &o.cancel->token});
    std::string warnings;
    for (const std::string& warning : loaded->warnings()) warnings += warning + "\n";
    const std::lock_guard lock(engine.mutex);
    engine.pipeline = std::move(loaded);
    engine.warnings = std::move(warnings);
  });
}

size_t glm_engine_last_error(const glm_engine* handle, char* text, size_t size) {
  if (handle == nullptr) return 0;
  Engine& engine = *handle->engine;
  if (engine.process.is_in_child()) return hand_out(kForked, text, size);
  const std::lock_guard lock(engine.mutex);
  return hand_out(engine.error, text, size);
}

size_t glm_engine_warnings(const glm_engine* handle, char* text, size_t size) {
  if (handle == nullptr) return 0;
  Engine& engine = *handle->engine;
  if (engine.process.is_in_child()) return hand_out("", text, size);
  const std::lock_guard lock(engine.mutex);
  return hand_out(engine.warnings, text, size);
}

glm_status glm_engine_sizes(glm_engine* handle, const glm_request* request, glm_sizes* sizes) {
  return guarded(handle, [&](Engine& engine) {
    if (sizes == nullptr) refuse("sizes", "a glm_sizes", "NULL");
    const size_t size = sizes->struct_size;
    check_struct_size(size, sizeof(glm_sizes), "glm_sizes");
    const Call call(engine, request, nullptr);
    std::memcpy(sizes, &call.sizes, size);
    sizes->struct_size = size;
  });
}

glm_status glm_engine_generate(glm_engine* handle, const glm_request* request, const glm_callbacks* callbacks,
                               uint8_t* rgb, size_t size) {
  return guarded(handle, [&](Engine& engine) {
    Call call(engine, request, callbacks);
    call.expect(rgb, size, call.sizes.picture_bytes, "rgb");
    call.write_pictures_to(rgb, callbacks);
    call.pipeline.generate(call.request, call.callbacks);
  });
}

glm_status glm_engine_tokens(glm_engine* handle, const glm_request* request, const glm_callbacks* callbacks,
                             int64_t* tokens, size_t count) {
  return guarded(handle, [&](Engine& engine) {
    const Call call(engine, request, callbacks);
    call.expect(tokens, count, call.sizes.tokens, "tokens");
    for (const glm::Tokens& own : call.pipeline.tokens(call.request, call.callbacks)) {
      tokens = std::copy(own.ids.begin(), own.ids.end(), tokens);
    }
  });
}

// A buffer is two parameters in C. NOLINTNEXTLINE(readability-function-size)
glm_status glm_engine_latents(glm_engine* handle, const glm_request* request, const glm_callbacks* callbacks,
                              const int64_t* tokens, size_t token_count, float* latents, size_t count) {
  return guarded(handle, [&](Engine& engine) {
    const Call call(engine, request, callbacks);
    call.expect(tokens, token_count, call.sizes.tokens, "tokens");
    call.expect(latents, count, call.sizes.latents, "latents");
    std::vector<glm::Tokens> all;
    for (size_t i = 0; i < call.request.seeds.size(); ++i) {
      const int64_t* own = tokens + i * call.sizes.tokens;
      all.push_back({call.sizes.grid_width, call.sizes.grid_height, {own, own + call.sizes.tokens}});
    }
    for (const glm::Latents& own : call.pipeline.latents(call.request, all, call.callbacks)) {
      latents = std::copy(own.values.begin(), own.values.end(), latents);
    }
  });
}

// NOLINTNEXTLINE(readability-function-size)
glm_status glm_engine_pixels(glm_engine* handle, const glm_request* request, const glm_callbacks* callbacks,
                             const float* latents, size_t latent_count, uint8_t* rgb, size_t size) {
  return guarded(handle, [&](Engine& engine) {
    Call call(engine, request, callbacks);
    call.expect(latents, latent_count, call.sizes.latents, "latents");
    call.expect(rgb, size, call.sizes.picture_bytes, "rgb");
    std::vector<glm::Latents> all;
    const glm_sizes& s = call.sizes;
    for (size_t i = 0; i < call.request.seeds.size(); ++i) {
      const float* own = latents + i * s.latents;
      all.push_back({s.latent_channels, s.latent_height, s.latent_width, {own, own + s.latents}});
    }
    call.write_pictures_to(rgb, callbacks);
    call.pipeline.pixels(call.request, all, call.callbacks);
  });
}

}  // extern "C"
