#include "engine/run/prior_codes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "engine/checkpoint/component_files.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/quantisation.h"
#include "engine/checkpoint/stored_tensors.h"
#include "engine/checkpoint/weights.h"
#include "engine/components/prior_transformer.h"
#include "kernels/packed_weight.h"

namespace glm {
namespace {

// The prior is built without memory, and what it asks for is noted.
std::map<std::string, std::vector<int64_t>> shapes_of_prior(const PriorConfig& c) {
  std::map<std::string, std::vector<int64_t>> shapes;
  const Weights noting =
      Weights::random(at::kBFloat16, at::kMeta).changed([&shapes](const std::string& name, const at::Tensor& w) {
        shapes[name] = w.sizes().vec();
        return w;
      });
  const PriorTransformer prior(noting, c);
  return shapes;
}

std::optional<cuda::Format> format_of(const CodedLayout& layout) {
  if (!PackedWeight::fits(layout.out)) return std::nullopt;
  return PackedWeight::format_of(
      {.coding = layout.coding, .in = layout.in, .group = layout.group, .scales = layout.scales.dtype});
}

}  // namespace

PriorCodes codes_of_prior(const std::filesystem::path& folder, const PriorConfig& c) {
  std::optional<Quantisation> quantisation = Quantisation::of(folder);
  if (!quantisation) return {};
  const std::string text = quantisation->text();
  const StoredTensors tensors(folder, ComponentFiles(folder).files, std::move(quantisation));
  PriorCodes codes;
  for (const auto& [name, shape] : shapes_of_prior(c)) {
    if (!tensors.is_coded(name)) continue;
    const CodedLayout layout = tensors.layout(name, shape);
    const std::optional<cuda::Format> format = format_of(layout);
    if (!format) {
      return {{},
              text + " as \"" + name + "\" has them: " + std::to_string(layout.out) + " rows, groups of " +
                  std::to_string(layout.group) + " columns, scales in " + dtype_name(layout.scales.dtype)};
    }
    if (std::find(codes.formats.begin(), codes.formats.end(), *format) == codes.formats.end()) {
      codes.formats.push_back(*format);
    }
  }
  return codes;
}

}  // namespace glm
