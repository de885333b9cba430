#include "engine/checkpoint/quantisation.h"

#include <fnmatch.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;
using Coding = CodedWeight::Coding;
using Method = Quantisation::Method;

namespace {

constexpr const char* kOwnDtypes[] = {"uint4", "int5", "float5_e3m1fn"};

// Refuses a value that isn't one of `known`. The key may be absent.
void only(const json& options, const std::string& file, const char* key, const std::vector<json>& known) {
  if (!options.contains(key)) return;
  const json& found = options[key];
  if (std::find(known.begin(), known.end(), found) != known.end()) return;
  std::vector<std::string> texts;
  texts.reserve(known.size());
  for (const json& value : known) texts.push_back(json_text(value));
  refuse(ErrorCode::model, file + ": quantization_config: " + key, listed(texts), json_text(found), kReadable);
}

int64_t group_of(const json& options, const std::string& file) {
  constexpr int64_t most = 1 << 20;
  if (!options.contains("group_size")) return 128;  // auto-round's default
  const json& found = options["group_size"];
  if (!found.is_number_unsigned() && found == -1) return -1;
  // Numbers of at least 0 are unsigned here, and may be larger than any int64_t. The largest of them equals -1.
  if (found.is_number_unsigned() && found.get<uint64_t>() <= most && found.get<int64_t>() % 2 == 0) {
    return found.get<int64_t>();
  }
  refuse(ErrorCode::model, file + ": quantization_config: group_size",
         "an even number up to " + std::to_string(most) + ", or -1 for a whole row", json_text(found), kReadable);
}

// auto-round may leave layers as they are, which it writes as 16 bits.
void check_extra_config(const json& layers, const std::string& file) {
  if (layers.is_null()) return;
  const std::string where = file + ": quantization_config: extra_config";
  if (!layers.is_object()) refuse(ErrorCode::model, where, "an object", json_text(layers), kReadable);
  for (const auto& [name, options] : layers.items()) {
    if (options.is_object() && options.value("bits", json()) == 16) continue;
    refuse(ErrorCode::model, where + ": " + name, "16 bits: a layer as it was", json_text(options), kReadable);
  }
}

Quantisation auto_round(const json& options, const std::string& file) {
  only(options, file, "bits", {4});
  only(options, file, "data_type", {"int"});
  only(options, file, "packing_format", {"auto_round:auto_gptq"});
  only(options, file, "act_bits", {16, nullptr});
  only(options, file, "desc_act", {false, nullptr});
  check_extra_config(options.value("extra_config", json()), file);
  only(options, file, "sym", {true, false});
  return {.method = Method::auto_round,
          .group = group_of(options, file),
          .dtype = {},
          .dtypes = {},
          .symmetric = options.value("sym", json()) == true,
          .file = file};
}

std::string known_dtype(const json& value, const std::string& file, const char* key) {
  for (const char* known : kOwnDtypes) {
    if (value == known) return known;
  }
  refuse(ErrorCode::model, file + ": quantization_config: " + key, "uint4, int5 or float5_e3m1fn", json_text(value),
         kReadable);
}

Quantisation sdnq(const json& options, const std::string& file) {
  for (const char* key : {"use_svd", "use_hadamard", "use_codebook", "use_codebook_scale", "quant_conv",
                          "quant_embedding", "is_training"}) {
    only(options, file, key, {false, nullptr});
  }
  only(options, file, "modules_quant_config", {nullptr, json::object()});
  for (const char* key : {"scale_dtype", "zero_point_dtype"}) only(options, file, key, {nullptr, "none"});
  group_of(options, file);  // it is only checked: the shapes of the scales say what the groups are
  Quantisation q{.method = Method::sdnq, .group = 0, .dtype = {}, .dtypes = {}, .symmetric = false, .file = file};
  q.dtype = known_dtype(options.value("weights_dtype", json()), file, "weights_dtype");
  const json lists = options.value("modules_dtype_dict", json());
  if (lists.is_null()) return q;
  if (!lists.is_object()) {
    refuse(ErrorCode::model, file + ": quantization_config: modules_dtype_dict", "an object", json_text(lists),
           kReadable);
  }
  for (const auto& [dtype, names] : lists.items()) {
    if (names.empty()) continue;
    const std::string known = known_dtype(dtype, file, "modules_dtype_dict");
    for (const json& name : names.is_array() ? names : json::array({names})) {
      if (!name.is_string()) {
        refuse(ErrorCode::model, file + ": quantization_config: modules_dtype_dict: " + dtype, "names of weights",
               json_text(name), kReadable);
      }
      const auto [at, is_new] = q.dtypes.emplace(name.get<std::string>(), known);
      if (!is_new && at->second != known) {
        refuse(ErrorCode::model, file + ": quantization_config: modules_dtype_dict",
               "one dtype for \"" + at->first + "\"", at->second + " and " + known, kReadable);
      }
    }
  }
  return q;
}

// Does an entry of modules_dtype_dict mean this weight? The entry may be the weight's whole name, the name of a module
// above it, the begin of its name behind a dot, or a pattern. Upstream: sdnq's check_param_name_in
bool means(const std::string& entry, const std::string& weight) {
  if (entry.starts_with('.')) return weight.starts_with(entry.substr(1));
  const bool is_module = entry.find('.') == std::string::npos;
  if (entry == weight) return true;
  if (is_module && std::string(".").append(weight).append(".").find("." + entry + ".") != std::string::npos)
    return true;
  return entry.find('*') != std::string::npos && fnmatch((entry + "*").c_str(), weight.c_str(), 0) == 0;
}

}  // namespace

std::optional<Quantisation> Quantisation::of(const fs::path& folder) {
  fs::path file = folder / "config.json";
  json options;
  if (is_present(file)) {
    const json config = read_json(file);
    if (config.is_object()) options = config.value("quantization_config", json());
  }
  // A second copy, which is alone where somebody has edited config.json. It is read in any case, so that damage is
  // told.
  if (const fs::path copy = folder / "quantization_config.json"; is_present(copy)) {
    json copied = read_json(copy);
    if (options.is_null()) {
      file = copy;
      options = std::move(copied);
    }
  }
  if (options.is_null()) return std::nullopt;
  const std::string name = file.string();
  const json method = options.is_object() ? options.value("quant_method", json()) : json();
  if (method == "auto-round") return auto_round(options, name);
  if (method == "sdnq") return sdnq(options, name);
  refuse(ErrorCode::model, name + ": quantization_config: quant_method", "auto-round or sdnq", json_text(method),
         kReadable);
}

std::string Quantisation::text() const {
  if (method == Method::auto_round) {
    return "AutoRound int4" + (group > 0 ? ", groups of " + std::to_string(group) : ", a group for each row");
  }
  std::set<std::string> others;
  for (const auto& [weight, other] : dtypes) others.insert(other);
  others.erase(dtype);
  const auto plain = [](const std::string& name) { return name.substr(0, name.find('_')); };  // without "_e3m1fn"
  std::string text = "SDNQ " + plain(dtype);
  for (const std::string& other : others) text += ", " + plain(other);
  return text;
}

bool Quantisation::is_part(const std::string& name) {
  return name.ends_with(".scales") || name.ends_with(".scale") || name.ends_with(".zero_point");
}

std::optional<Quantisation::Parts> Quantisation::parts(const std::string& weight) const {
  if (!weight.ends_with("weight")) return std::nullopt;
  const std::string layer = weight.substr(0, weight.size() - std::string("weight").size());
  if (method == Method::auto_round) return Parts{layer + "qweight", layer + "scales", layer + "qzeros"};
  return Parts{weight, layer + "scale", layer + "zero_point"};
}

Coding Quantisation::coding_of(const std::string& weight) const {
  if (method == Method::auto_round) return Coding::auto_round;
  std::string found;
  for (const auto& [entry, other] : dtypes) {
    if (!means(entry, weight) || other == found) continue;
    if (found.empty()) {
      found = other;
      continue;
    }
    refuse(ErrorCode::model, file + ": quantization_config: modules_dtype_dict", "one dtype for \"" + weight + "\"",
           found + " and " + other, kReadable);
  }
  if (found.empty()) found = dtype;
  return found == "uint4" ? Coding::uint4 : found == "int5" ? Coding::int5 : Coding::float5;
}

}  // namespace glm
