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

namespace {

using Method = StoredFormat::Method;

// What the methods add to a layer's name for each part of a weight.
constexpr const char* kAutoRoundParts[] = {".qweight", ".qzeros", ".scales", ".g_idx"};
constexpr const char* kSdnqParts[] = {".scale", ".zero_point", ".svd_up", ".svd_down", ".scale_2", ".codebook"};

std::string text_at(const json& object, const char* key) {
  return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

int64_t number_at(const json& object, const char* key, int64_t otherwise) {
  return object.contains(key) && object[key].is_number_integer() ? object[key].get<int64_t>() : otherwise;
}

std::string groups_text(int64_t group) {
  if (group == -1) return ", a group for each row";
  return group > 0 ? ", groups of " + std::to_string(group) : "";
}

// "SDNQ uint4, int5, float5": the dtypes of all weights, the default's first.
std::string sdnq_text(const json& options) {
  std::vector<std::string> dtypes = {text_at(options, "weights_dtype")};
  const json lists = options.value("modules_dtype_dict", json());
  if (lists.is_object()) {
    for (const auto& [dtype, names] : lists.items()) {
      if (!names.empty() && std::find(dtypes.begin(), dtypes.end(), dtype) == dtypes.end()) dtypes.push_back(dtype);
    }
  }
  std::string text = "SDNQ";
  for (const std::string& dtype : dtypes) {
    text += (text.ends_with("SDNQ") ? " " : ", ") + shortened(dtype.substr(0, dtype.find('_')), 20);
  }
  return text + groups_text(number_at(options, "group_size", 0));
}

// The ends of a layer's parts that this method has, or none.
std::vector<std::string> parts_of(Method method) {
  if (method == Method::auto_round) return {std::begin(kAutoRoundParts), std::end(kAutoRoundParts)};
  if (method == Method::sdnq) return {std::begin(kSdnqParts), std::end(kSdnqParts)};
  return {};
}

}  // namespace

StoredFormat StoredFormat::of(const fs::path& folder) {
  StoredFormat format;
  json config;
  try {
    config = read_json(folder / "config.json");
  } catch (const Error& e) {
    format.problem = e.what();
    return format;
  }
  const json options = config.is_object() ? config.value("quantization_config", json()) : json();
  if (!options.is_object()) return format;
  const std::string method = text_at(options, "quant_method");
  if (method == "auto-round") {
    format.method = Method::auto_round;
    format.bits = number_at(options, "bits", 0);
    format.text = "AutoRound int" + std::to_string(format.bits) + groups_text(number_at(options, "group_size", 128));
  } else if (method == "sdnq") {
    format.method = Method::sdnq;
    format.text = sdnq_text(options);
  } else {
    format.method = Method::other;
    format.text = method.empty() ? "quantised in an unknown way" : shortened(method, 40);
  }
  return format;
}

std::string StoredFormat::owner_of(const std::string& stored) const {
  for (const std::string& part : parts_of(method)) {
    if (stored.ends_with(part)) return stored.substr(0, stored.size() - part.size()) + ".weight";
  }
  return stored;
}

bool StoredFormat::is_main(const std::string& stored) const {
  return owner_of(stored) == stored || (method == Method::auto_round && stored.ends_with(".qweight"));
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
