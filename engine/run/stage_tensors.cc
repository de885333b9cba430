#include "engine/run/stage_tensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/safetensors.h"

namespace glm {

const char* stage_name(Stage stage) {
  switch (stage) {
    case Stage::references:
      return "references";
    case Stage::tokens:
      return "tokens";
    case Stage::glyphs:
      return "glyphs";
    case Stage::steps:
      return "steps";
    case Stage::pixels:
      return "pixels";
  }
  return "";
}

Tap with_callback(const Tap& dump, const std::function<void(const StageTensor&)>& own, Tap::Level level) {
  if (!own) return dump;
  const auto both = [dump, own](const std::string& name, const at::Tensor& value) {
    dump.stage(name, value);
    const at::Tensor host = value.cpu().contiguous();
    const auto* data = static_cast<const std::byte*>(host.const_data_ptr());
    own({.name = name,
         .dtype = dtype_name(host.scalar_type()),
         .shape = host.sizes().vec(),
         .bytes = {data, host.nbytes()}});
  };
  return {both, level};
}

Tokens tokens_of(const at::Tensor& ids, Grid grid) {
  const at::Tensor cells = ids.view({2 * grid.height, 2 * grid.width}).slice(0, 0, {}, 2).slice(1, 0, {}, 2);
  const at::Tensor own = cells.cpu().contiguous();
  const auto* data = own.const_data_ptr<int64_t>();
  return {.width = grid.width, .height = grid.height, .ids = {data, data + own.numel()}};
}

at::Tensor grid_ids_of(const Tokens& t, Grid grid, int64_t codebook) {
  if (t.width != grid.width || t.height != grid.height || t.ids.size() != static_cast<size_t>(grid.cells())) {
    refuse("tokens", size_text(grid.width, grid.height) + " ids for this size",
           size_text(t.width, t.height) + " with " + std::to_string(t.ids.size()) + " ids");
  }
  for (const int64_t id : t.ids) {
    if (id < 0 || id >= codebook) refuse("tokens", "ids from 0 to " + std::to_string(codebook - 1), std::to_string(id));
  }
  return at::tensor(t.ids, at::kLong).unsqueeze(0);
}

Latents latents_of(const at::Tensor& scaled) {
  const at::Tensor own = scaled.to(at::kCPU, at::kFloat).contiguous();
  const auto* data = own.const_data_ptr<float>();
  return {own.size(1), own.size(2), own.size(3), {data, data + own.numel()}};
}

void check_latents_fit(const Latents& l, at::IntArrayRef shape) {
  const std::vector<int64_t> found = {1, l.channels, l.height, l.width};
  if (shape != at::IntArrayRef(found) || l.values.size() != static_cast<size_t>(c10::multiply_integers(shape))) {
    refuse("latents", shape_text(shape), shape_text(found) + " with " + std::to_string(l.values.size()) + " values");
  }
  const bool finite = std::all_of(l.values.begin(), l.values.end(), [](float value) { return std::isfinite(value); });
  if (!finite) refuse("latents", "finite numbers", "NaN or infinity");
}

at::Tensor scaled_of(const Latents& l, at::IntArrayRef shape) {
  check_latents_fit(l, shape);
  return at::tensor(l.values, at::kFloat).view(shape);
}

std::string about_run(const Model& m, const Request& request, const Settings& settings, const Result& result) {
  nlohmann::json about = {{"prompt", request.prompt},
                          {"width", settings.width},
                          {"height", settings.height},
                          {"steps", settings.steps},
                          {"guidance", settings.guidance},
                          {"seeds", request.seeds},
                          {"greedy", request.greedy},
                          {"rng", request.rng == Rng::cuda ? "cuda" : "cpu"},
                          {"parse_special", request.parse_special},
                          {"references", request.references.size()},
                          {"model", std::filesystem::absolute(m.folder).filename().string()},
                          {"dtype", dtype_name(m.dtype)},
                          {"version", GLM_VERSION}};
  for (const Result::StageTime& t : result.times) about["seconds"][stage_name(t.stage)] = t.seconds;
  return json_text(about);
}

}  // namespace glm
