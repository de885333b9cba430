#include "api/values.h"

#include <optional>

namespace glm::c {
namespace {

template <typename T>
void expect_array(const T* array, size_t count, const std::string& name) {
  if (array == nullptr && count > 0) refuse(name, "an array of " + std::to_string(count), "NULL");
}

std::optional<double> positive_or_default(double value) {
  return value == -1 ? std::nullopt : std::optional(value);
}

template <typename T>
std::optional<T> other_than(T value, T standard) {
  return value == standard ? std::nullopt : std::optional(value);
}

Image image_of(const glm_picture& p) {
  constexpr int64_t most_side = 1 << 20;
  if (p.rgb == nullptr || p.width < 1 || p.height < 1 || p.width > most_side || p.height > most_side) {
    refuse("references", "a picture with pixels and sides of 1 to 1048576", "NULL or other sides");
  }
  return {p.width, p.height, {p.rgb, p.rgb + 3 * p.width * p.height}};
}

glm_picture view(const Image& image) {
  return {image.rgb.data(), image.width, image.height};
}

// Stages are numbered as in C.
static_assert(static_cast<int>(Stage::references) == GLM_STAGE_REFERENCES);
static_assert(static_cast<int>(Stage::tokens) == GLM_STAGE_TOKENS);
static_assert(static_cast<int>(Stage::glyphs) == GLM_STAGE_GLYPHS);
static_assert(static_cast<int>(Stage::steps) == GLM_STAGE_STEPS);
static_assert(static_cast<int>(Stage::pixels) == GLM_STAGE_PIXELS);

}  // namespace

void check_struct_size(size_t size, size_t ours, const std::string& name) {
  // With its padding each field, or each pair of them, is as large as a pointer.
  if (size < sizeof(size_t) || size > ours || size % sizeof(void*) != 0) {
    refuse(name + ".struct_size", "a size of at most " + std::to_string(ours) + ", as " + name + "_init sets it",
           std::to_string(size));
  }
}

std::string checked_text(const char* text, const std::string& name) {
  if (text == nullptr) refuse(name, "a text", "NULL");
  return text;
}

Request request_of(const glm_request* given) {
  if (given == nullptr) refuse("request", "a glm_request", "NULL");
  const glm_request r = taken(given, glm_request_init, "glm_request");
  expect_array(r.texts, r.text_count, "texts");
  expect_array(r.references, r.reference_count, "references");
  expect_array(r.seeds, r.seed_count, "seeds");
  if (r.rng != GLM_RNG_CUDA && r.rng != GLM_RNG_CPU) refuse("rng", "0 or 1", std::to_string(r.rng));
  constexpr size_t many = 1 << 16;  // the pipeline's own limits are lower
  if (r.text_count > many || r.reference_count > many || r.seed_count > many) {
    refuse("texts, references and seeds", "at most 65536 of each", "more");
  }
  Request request;
  request.prompt = checked_text(r.prompt, "prompt");
  for (size_t i = 0; i < r.text_count; ++i) request.texts.push_back(checked_text(r.texts[i], "texts"));
  for (size_t i = 0; i < r.reference_count; ++i) request.references.push_back(image_of(r.references[i]));
  request.width = other_than<int64_t>(r.width, 0);
  request.height = other_than<int64_t>(r.height, 0);
  request.steps = other_than<int64_t>(r.steps, 0);
  request.guidance = positive_or_default(r.guidance);
  request.temperature = positive_or_default(r.temperature);
  request.top_p = positive_or_default(r.top_p);
  request.top_k = other_than<int64_t>(r.top_k, -1);
  if (r.seed_count > 0) request.seeds.assign(r.seeds, r.seeds + r.seed_count);
  request.rng = r.rng == GLM_RNG_CPU ? Rng::cpu : Rng::cuda;
  request.greedy = r.greedy != 0;
  request.parse_special = r.parse_special != 0;
  request.allow_early_stop = r.allow_early_stop != 0;
  return request;
}

Callbacks callbacks_of(const glm_callbacks* given, Request* request) {
  const glm_callbacks c = taken(given, glm_callbacks_init, "glm_callbacks");
  if (c.preview_every < 1) refuse("preview_every", "at least 1", std::to_string(c.preview_every));
  request->full_taps = c.full_taps != 0;
  Callbacks callbacks;
  if (c.cancel != nullptr) callbacks.cancel = &c.cancel->token;
  callbacks.preview_every = c.preview_every;
  if (c.progress != nullptr) {
    callbacks.progress = [c](Stage stage, int64_t done, int64_t total) {
      c.progress(c.user, static_cast<glm_stage>(stage), done, total);
    };
  }
  if (c.preview != nullptr) {
    callbacks.preview = [c](const Preview& p) {
      const glm_picture picture = view(p.image);
      c.preview(c.user, p.seed, p.step, &picture);
    };
  }
  if (c.tap != nullptr) {
    callbacks.tap = [c](const StageTensor& t) {
      c.tap(c.user, t.name.c_str(), t.dtype.c_str(), t.shape.data(), t.shape.size(), t.bytes.data(), t.bytes.size());
    };
  }
  return callbacks;
}

}  // namespace glm::c
