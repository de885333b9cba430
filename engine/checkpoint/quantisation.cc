#include "engine/checkpoint/quantisation.h"

#include <ATen/ATen.h>
#include <fnmatch.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/dtype.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;
using Coding = CodedWeight::Coding;
using Method = Quantisation::Method;

namespace {

constexpr const char* kAdvice =
    "take the checkpoint in bf16 (zai-org/GLM-Image), Intel's AutoRound or Disty0's SDNQ version of it";
constexpr const char* kOwnDtypes[] = {"uint4", "int5", "float5_e3m1fn"};

// Refuses a value that isn't one of `known`. The key may be absent.
void only(const json& options, const std::string& file, const char* key, const std::vector<json>& known) {
  if (!options.contains(key)) return;
  const json& found = options[key];
  if (std::find(known.begin(), known.end(), found) != known.end()) return;
  std::vector<std::string> texts;
  texts.reserve(known.size());
  for (const json& value : known) texts.push_back(json_text(value));
  refuse(ErrorCode::model, file + ": quantization_config: " + key, listed(texts), json_text(found), kAdvice);
}

int64_t group_of(const json& options, const std::string& file, int64_t otherwise) {
  if (!options.contains("group_size")) return otherwise;
  const json& found = options["group_size"];
  if (found.is_number_integer()) {
    const auto group = found.get<int64_t>();
    if (group == -1 || (group >= 0 && group <= 1 << 20 && group % 2 == 0)) return group;
  }
  refuse(ErrorCode::model, file + ": quantization_config: group_size", "an even number, or -1 for a whole row",
         json_text(found), kAdvice);
}

// auto-round may leave layers as they are, which it writes as 16 bits.
void check_extra_config(const json& layers, const std::string& file) {
  if (layers.is_null()) return;
  const std::string where = file + ": quantization_config: extra_config";
  if (!layers.is_object()) refuse(ErrorCode::model, where, "an object", json_text(layers), kAdvice);
  for (const auto& [name, options] : layers.items()) {
    if (options.is_object() && options.value("bits", json()) == 16) continue;
    refuse(ErrorCode::model, where + ": " + name, "16 bits: a layer as it was", json_text(options), kAdvice);
  }
}

Quantisation auto_round(const json& options, const std::string& file) {
  only(options, file, "bits", {4});
  only(options, file, "data_type", {"int"});
  only(options, file, "packing_format", {"auto_round:auto_gptq"});
  check_extra_config(options.value("extra_config", json()), file);
  only(options, file, "sym", {true, false});
  return {.method = Method::auto_round,
          .group = group_of(options, file, 128),
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
         kAdvice);
}

Quantisation sdnq(const json& options, const std::string& file) {
  for (const char* key : {"use_svd", "use_hadamard", "use_codebook", "use_codebook_scale", "quant_conv",
                          "quant_embedding", "is_training"}) {
    only(options, file, key, {false, nullptr});
  }
  only(options, file, "modules_quant_config", {nullptr, json::object()});
  for (const char* key : {"scale_dtype", "zero_point_dtype"}) only(options, file, key, {nullptr, "none"});
  Quantisation q{.method = Method::sdnq,
                 .group = group_of(options, file, 0),
                 .dtype = {},
                 .dtypes = {},
                 .symmetric = false,
                 .file = file};
  q.dtype = known_dtype(options.value("weights_dtype", json()), file, "weights_dtype");
  const json lists = options.value("modules_dtype_dict", json());
  if (lists.is_null()) return q;
  if (!lists.is_object()) {
    refuse(ErrorCode::model, file + ": quantization_config: modules_dtype_dict", "an object", json_text(lists));
  }
  for (const auto& [dtype, names] : lists.items()) {
    if (names.empty()) continue;
    const std::string known = known_dtype(dtype, file, "modules_dtype_dict");
    for (const json& name : names.is_array() ? names : json::array({names})) {
      if (!name.is_string()) {
        refuse(ErrorCode::model, file + ": quantization_config: modules_dtype_dict: " + dtype, "names of weights",
               json_text(name));
      }
      const auto [at, is_new] = q.dtypes.emplace(name.get<std::string>(), known);
      if (!is_new && at->second != known) {
        refuse(ErrorCode::model, file + ": quantization_config: modules_dtype_dict",
               "one dtype for \"" + at->first + "\"", at->second + " and " + known, kAdvice);
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

Coding coding_of(const Quantisation& q, const std::string& weight) {
  if (q.method == Method::auto_round) return Coding::auto_round;
  std::string dtype;
  for (const auto& [entry, other] : q.dtypes) {
    if (!means(entry, weight) || other == dtype) continue;
    if (dtype.empty()) {
      dtype = other;
      continue;
    }
    refuse(ErrorCode::model, q.file + ": quantization_config: modules_dtype_dict", "one dtype for \"" + weight + "\"",
           dtype + " and " + other, kAdvice);
  }
  if (dtype.empty()) dtype = q.dtype;
  return dtype == "uint4" ? Coding::uint4 : dtype == "int5" ? Coding::int5 : Coding::float5;
}

std::string without_weight(const std::string& name) {
  return name.substr(0, name.size() - std::string("weight").size());
}

// u8 [...], two numbers in a byte -> u8 [..., 2 * n]
at::Tensor halves_of_bytes(const at::Tensor& bytes) {
  return at::stack({bytes.bitwise_and(15), bytes.__rshift__(4)}, -1).flatten(-2);
}

// Takes codes of 5 bits apart. Five bytes hold eight codes. u8 [n / 8, 5] -> u8 [n]. Upstream: sdnq's unpack_uint5
at::Tensor unpack_fives(const at::Tensor& bytes) {
  const auto byte = [&](int64_t i) { return bytes.select(1, i); };
  const auto bits = [&](int64_t i, int64_t from, int64_t count, int64_t to) {
    return byte(i).__rshift__(from).bitwise_and((1 << count) - 1).__lshift__(to);
  };
  std::vector<at::Tensor> codes;
  codes.reserve(8);
  for (int64_t i = 0; i < 5; ++i) codes.push_back(bits(i, 0, 5, 0));
  codes.push_back(bits(0, 5, 3, 0) + bits(3, 5, 2, 3));
  codes.push_back(bits(1, 5, 3, 0) + bits(4, 5, 2, 3));
  codes.push_back(bits(2, 5, 3, 0) + bits(4, 7, 1, 3) + bits(3, 7, 1, 4));
  return at::stack(codes, 1).flatten();
}

void check_finite(const at::Tensor& numbers, double most, const std::string& where) {
  if (at::isfinite(numbers).all().item<bool>() && numbers.abs().to(at::kFloat).le(most).all().item<bool>()) return;
  refuse(ErrorCode::model, where, "finite scales whose numbers its type can hold", "others", "download the file again");
}

struct Shape {
  int64_t out, in;
};

CodedWeight read_auto_round(const Quantisation& q, const std::string& layer, Shape s, const ReadStored& read,
                            const std::string& where) {
  const int64_t group = q.group <= 0 ? s.in : q.group;
  const int64_t groups = s.in / group;
  if (s.in % 8 != 0 || s.out % 8 != 0 || s.in % group != 0) {
    refuse(ErrorCode::model, where, "rows in eights, and columns in groups of " + std::to_string(group),
           shape_text({s.out, s.in}), "does config.json belong to this file?");
  }
  const at::Tensor words = read(layer + "qweight", at::kInt, {s.in / 8, s.out});
  const at::Tensor scales = read(layer + "scales", at::kHalf, {groups, s.out});
  const at::Tensor stored_zeros = read(layer + "qzeros", at::kInt, {groups, s.out / 8});
  constexpr double most_scale = 65504.0 / 16;  // then fp16 holds every number
  check_finite(scales, most_scale, where);
  CodedWeight w{.coding = Coding::auto_round, .in = s.in, .group = group, .codes = {}, .scales = {}, .zeros = {}};
  // A word has eight columns of a row, from its lowest byte on.
  w.codes = words.view(at::kByte).view({s.in / 8, s.out, 4}).transpose(0, 1).reshape({s.out, s.in / 2});
  w.scales = scales.t().contiguous();
  const at::Tensor zeros = halves_of_bytes(stored_zeros.view(at::kByte)).add(1);  // the file has them minus 1
  if (zeros.eq(8).all().item<bool>()) return w;
  if (q.symmetric) {
    refuse(ErrorCode::model, where, "zeros of 8, because quantization_config says sym", "others",
           "download the file again");
  }
  w.zeros = zeros.t().to(at::kHalf).contiguous();
  return w;
}

CodedWeight read_sdnq(const Quantisation& q, const std::string& weight, Shape s, const ReadStored& read,
                      const std::string& where) {
  const std::string layer = without_weight(weight);
  CodedWeight w{.coding = coding_of(q, weight), .in = s.in, .group = s.in, .codes = {}, .scales = {}, .zeros = {}};
  const int64_t numbers = s.out * s.in;
  if (w.bits() == 4 && s.in % 2 == 0) {
    w.codes = read(weight, at::kByte, {numbers / 2}).view({s.out, s.in / 2});
  } else if (w.bits() == 5 && numbers % 8 == 0) {
    w.codes = unpack_fives(read(weight, at::kByte, {numbers / 8, 5})).view({s.out, s.in});
  } else {
    refuse(ErrorCode::model, where, "columns that fill whole bytes", shape_text({s.out, s.in}), kAdvice);
  }
  const at::Tensor scales = read(layer + "scale", std::nullopt, {});
  const int64_t groups = scales.numel() / s.out;
  const bool whole = scales.dim() >= 2 && scales.size(0) == s.out && scales.numel() == s.out * groups && groups > 0;
  if (!whole || s.in % groups != 0 || (groups > 1 && s.in / groups % 2 != 0)) {
    refuse(ErrorCode::model, where + ": scale",
           "[" + std::to_string(s.out) + ", groups, 1] with groups of even columns", shape_text(scales.sizes()),
           kAdvice);
  }
  w.group = s.in / groups;
  check_finite(scales, 1e30, where);
  w.scales = scales.reshape({s.out, groups}).contiguous();
  if (w.coding == Coding::uint4) {
    const at::Tensor zeros = read(layer + "zero_point", scales.scalar_type(), scales.sizes().vec());
    check_finite(zeros, 1e30, where);
    w.zeros = zeros.reshape({s.out, groups}).contiguous();
  }
  return w;
}

}  // namespace

std::optional<Quantisation> Quantisation::of(const fs::path& folder) {
  fs::path file = folder / "config.json";
  json options;
  if (is_present(file)) {
    const json config = read_json(file);
    if (config.is_object()) options = config.value("quantization_config", json());
  }
  if (options.is_null()) {
    file = folder / "quantization_config.json";  // a second copy, which is alone where somebody has edited config.json
    if (!is_present(file)) return std::nullopt;
    options = read_json(file);
  }
  const std::string name = file.string();
  const json method = options.is_object() ? options.value("quant_method", json()) : json();
  if (method == "auto-round") return auto_round(options, name);
  if (method == "sdnq") return sdnq(options, name);
  refuse(ErrorCode::model, name + ": quantization_config: quant_method", "auto-round or sdnq", json_text(method),
         kAdvice);
}

std::string Quantisation::text() const {
  if (method == Method::auto_round) {
    return "AutoRound int4, " + (group > 0 ? "groups of " + std::to_string(group) : "a group a row");
  }
  std::set<std::string> used = {dtype};
  for (const auto& [weight, other] : dtypes) used.insert(other);
  std::string text = "SDNQ";
  for (const std::string& name : used) text += (text == "SDNQ" ? " " : ", ") + name;
  return text;
}

bool Quantisation::is_part(const std::string& name) {
  return name.ends_with(".scales") || name.ends_with(".scale") || name.ends_with(".zero_point");
}

std::vector<std::string> Quantisation::parts(const std::string& weight) const {
  if (!weight.ends_with("weight")) return {};
  const std::string layer = without_weight(weight);
  if (method == Method::auto_round) return {layer + "qweight", layer + "scales"};
  return {weight, layer + "scale"};
}

CodedWeight read_coded(const Quantisation& q, const std::string& weight, at::IntArrayRef shape, const ReadStored& read,
                       const std::string& where) {
  if (shape.size() != 2) refuse(ErrorCode::model, where, "a matrix", shape_text(shape), kAdvice);
  const Shape s{shape[0], shape[1]};
  return q.method == Method::auto_round ? read_auto_round(q, without_weight(weight), s, read, where)
                                        : read_sdnq(q, weight, s, read, where);
}

}  // namespace glm
