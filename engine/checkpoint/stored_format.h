// Says how weights are stored. It looks at names and configurations alone, so that it can also describe files that this
// engine can't read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace glm {

// Returns what the config.json of a component's folder calls the method by which it is quantised, where this engine
// can't read that: "modelopt". Returns "" where it isn't quantised, or the file can't be read.
std::string method_named(const std::filesystem::path& folder);

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
