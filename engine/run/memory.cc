#include "engine/run/memory.h"

#include <c10/core/Device.h>

#include <algorithm>
#include <string>

#include "base/free_memory.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/device/device.h"
#include "engine/run/settings.h"
#include "glm/error.h"

namespace glm {
void check_weights_fit(const ModelConfig& c, at::ScalarType dtype, at::Device device, double prior_bytes) {
  const auto element = static_cast<double>(c10::elementSize(dtype));
  const double need = weight_bytes(c, element, device.is_cpu() ? element : prior_bytes);
  release_cached_memory(device);  // what an earlier model has left unused
  const auto found = static_cast<double>(free_memory_of(device));
  if (found < 0 || need <= found) return;
  const std::string advice = dtype == at::kFloat ? "take --dtype bfloat16, or close other programs"
                             : device.is_cpu()   ? "close other programs, or take a machine with more"
                                                 : "take --precision prior=int4, another GPU or --device cpu";
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
