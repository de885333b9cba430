#include "engine/checkpoint/stored_format.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

std::string method_named(const fs::path& folder) {
  json config;
  try {
    config = read_json(folder / "config.json");
  } catch (const Error&) {  // its reader says so
    return "";
  }
  const json options = config.is_object() ? config.value("quantization_config", json()) : json();
  if (!options.is_object()) return "";
  const json method = options.value("quant_method", json());
  return method.is_string() ? shortened(method.get<std::string>(), 40) : "quantised in an unknown way";
}

std::string dtypes_text(const std::vector<std::string>& dtypes) {
  std::vector<std::string> names;
  names.reserve(dtypes.size());
  for (const std::string& dtype : dtypes) {
    const bool half = dtype == "F64" || dtype == "F32" || dtype == "F16";
    names.push_back(half ? "fp" + dtype.substr(1) : lower_case(dtype));
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : &name == &names.back() ? " and " : ", ") + name;
  return text;
}

NamedTensors named_tensors(const std::vector<std::string>& names) {
  NamedTensors told;
  const std::set<std::string> all(names.begin(), names.end());
  const auto some = [&](const char* part) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return n.find(part) != n.npos; });
  };
  for (const char* part : {"lora_", "lokr_", "hada_", ".lora.", "dora_scale"})
    told.adapter = told.adapter || some(part);
  told.comfy = some(".comfy_quant") || some("scaled_fp8");
  const std::pair<const char*, const char*> signs[] = {{"transformer", "glyph_projector.net.0.proj.bias"},
                                                       {"vision_language_encoder", "model.language_model.norm.weight"},
                                                       {"vision_language_encoder", "lm_head.weight"},
                                                       {"text_encoder", "encoder.final_layer_norm.weight"},
                                                       {"vae", "decoder.conv_norm_out.weight"},
                                                       {"vae", "encoder.conv_norm_out.weight"}};
  for (const std::string prefix : {"", "model.diffusion_model.", "diffusion_model.", "transformer.", "vae."}) {
    for (const auto& [component, sign] : signs) {
      if (!all.contains(prefix + sign)) continue;
      told.component = component;
      told.prefix = prefix;
      return told;
    }
  }
  // A shard lacks the last layers, but its names begin as the others do.
  for (const auto& [component, part] :
       {std::pair{"transformer", "transformer_blocks.0.attn1.to_q."}, std::pair{"transformer", ".attn1.to_k."},
        std::pair{"vision_language_encoder", "model.language_model.layers."},
        std::pair{"vision_language_encoder", "model.visual.blocks."}, std::pair{"text_encoder", "encoder.block."},
        std::pair{"vae", "decoder.up_blocks."}}) {
    if (some(part)) {
      told.component = component;
      return told;
    }
  }
  return told;
}

}  // namespace glm
