#include "engine/run/memory.h"

#include <c10/core/Device.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "base/free_memory.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/quantisation.h"
#include "engine/checkpoint/weights.h"
#include "engine/device/device.h"
#include "engine/run/settings.h"
#include "glm/error.h"

namespace glm {
namespace {

// Returns the weights of one of the checkpoint's folders, if it has them in a quantised format.
std::optional<Weights> quantised(const CheckpointName& name, const char* part, at::ScalarType dtype) {
  const std::filesystem::path folder = name.folder / part;
  if (name.random || !Quantisation::of(folder)) return std::nullopt;
  return Weights(folder, dtype);
}

double bytes_of_element(at::ScalarType dtype) {
  return static_cast<double>(c10::elementSize(dtype));
}

}  // namespace

double bytes_of_weights(const CheckpointName& name, const ModelConfig& c, at::ScalarType dtype,
                        const Precision& precision) {
  WeightBytes bytes = weight_bytes(c, {.element = bytes_of_element(dtype),
                                       .prior = bytes_in_format(precision.prior, dtype),
                                       .dit = bytes_in_format(precision.dit, dtype)});
  const std::pair<const char*, double*> parts[] = {{"vision_language_encoder", &bytes.language},
                                                   {"text_encoder", &bytes.glyphs},
                                                   {"transformer", &bytes.dit},
                                                   {"vae", &bytes.vae}};
  for (const auto& [part, own] : parts) {
    if (const std::optional<Weights> weights = quantised(name, part, dtype)) *own = weights->bytes();
  }
  return bytes.all();
}

double bytes_of_pass(const CheckpointName& name, const ModelConfig& c, at::ScalarType dtype,
                     const Precision& precision) {
  const double head = static_cast<double>(c.prior.vision_vocab) * static_cast<double>(c.prior.dim);
  const double element = bytes_in_format(precision.prior, dtype);
  if (const std::optional<Weights> weights = quantised(name, "vision_language_encoder", dtype)) {
    return (*weights / "model.language_model.layers").bytes() + head * bytes_of_element(dtype);
  }
  return prior_layer_weights(c.prior) * element + head * element;
}

void check_weights_fit(double need, at::ScalarType dtype, at::Device device) {
  release_cached_memory(device);  // what an earlier model has left unused
  const auto found = static_cast<double>(free_memory_of(device));
  if (found < 0 || need <= found) return;
  const std::string advice = dtype == at::kFloat ? "take --dtype bfloat16, or close other programs"
                             : device.is_cpu()   ? "take --precision prior=int4,dit=int8, or close other programs"
                                                 : "take --precision prior=int4,dit=int8, or --device cpu";
  refuse(ErrorCode::memory, "", gigabytes_text(need) + " of memory for the weights",
         gigabytes_text(found) + " free on " + (device.is_cpu() ? "this machine" : device.str()), advice);
}

CallLoad load_of(const ModelConfig& c, const Request& request, const Settings& settings, bool keeps_pictures) {
  CallLoad load{.canvas = settings.canvas(),
                .pictures = static_cast<int64_t>(request.seeds.size()),
                .keeps_pictures = keeps_pictures,
                .references = {}};
  for (const Image& picture : request.references) load.references.push_back(reference_grid(c, picture));
  const std::vector<std::string> texts = quoted_texts(request);  // refuses too many
  load.texts = std::max<int64_t>(1, static_cast<int64_t>(texts.size()));
  for (const std::string& text : texts) load.bytes = std::max(load.bytes, static_cast<int64_t>(text.size()));
  return load;
}

void check_call_fits(const ModelConfig& c, at::ScalarType dtype, at::Device device, const CallLoad& load,
                     ReferenceStore& store) {
  if (!device.is_cpu()) return;
  const double need = call_bytes(c, load, static_cast<double>(c10::elementSize(dtype)));
  int64_t found = free_memory();
  if (found >= 0 && need > static_cast<double>(found) && store.count() > 0) {
    store.clear();
    found = free_memory();
  }
  if (found < 0 || need <= static_cast<double>(found)) return;
  refuse(ErrorCode::memory, "out of memory", gigabytes_text(need) + " beside the weights",
         gigabytes_text(static_cast<double>(found)) + " free",
         "try a smaller size, fewer pictures at once, or --dtype bfloat16");
}

}  // namespace glm
