// Says how weights are stored. It looks at names and configurations alone, so that it can also describe files that this
// engine can't read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace glm {

// How a component is quantised.
struct StoredFormat {
  enum class Method { none, auto_round, sdnq, other };
  Method method = Method::none;
  std::string text;          // "AutoRound int4, groups of 128"; "" where it isn't quantised
  int64_t bits = 0;          // of a weight, with AutoRound
  std::string problem = {};  // with config.json, or ""

  // Returns the format that the component's config.json tells.
  static StoredFormat of(const std::filesystem::path& folder);

  // Returns the tensor of the model that a stored tensor belongs to: "a.weight" for "a.qweight". Scales and the like
  // belong to the same weight.
  std::string owner_of(const std::string& stored) const;
  // Says whether a stored tensor is the codes of its owner, or the owner itself: no scale.
  bool is_main(const std::string& stored) const;
};

// Returns what tensors of such dtypes are called together: "bf16", "fp32 and bf16". dtypes: as the format calls them,
// the most frequent first.
std::string dtypes_text(const std::vector<std::string>& dtypes);

// What the names of a lone file's tensors tell.
struct NamedTensors {
  std::string component;  // "transformer" and so on, or ""
  std::string prefix;     // what stands before the component's own names, such as "model.diffusion_model."
  bool adapter = false;   // a LoRA or one of its relatives
  bool comfy = false;     // quantised as ComfyUI does
};
NamedTensors named_tensors(const std::vector<std::string>& names);

}  // namespace glm
