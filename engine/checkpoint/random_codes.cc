#include "engine/checkpoint/random_codes.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/fnv1a.h"
#include "base/refuse.h"
#include "kernels/random.h"

namespace glm {
namespace {

using nlohmann::json;

constexpr const char* kAutoRound = "autoround";
constexpr const char* kSdnq = "sdnq";
constexpr const char* kFourBits = "uint4";

// What sdnq quantises in each folder, and auto-round in the first two. Upstream: the skip lists of sdnq's common.py
bool is_quantised_place(bool sdnq, const std::string& folder, const std::string& name) {
  if (folder == "transformer") {
    return name.starts_with("transformer_blocks.") && !(sdnq && name == "transformer_blocks.0.norm1.linear.weight");
  }
  if (folder == "vision_language_encoder") {
    return name.starts_with("model.language_model.layers.") || (sdnq && name.starts_with("model.visual.blocks."));
  }
  return sdnq && folder == "text_encoder" && name.starts_with("encoder.block.") && !name.ends_with(".wo.weight") &&
         name.find("relative_attention_bias") == std::string::npos;
}

// SDNQ's dtype of a weight. They are mixed as in a checkpoint that was quantised dynamically, but at random.
std::string sdnq_dtype(const std::string& name) {
  constexpr std::array<const char*, 4> dtypes = {kFourBits, kFourBits, "int5", "float5_e3m1fn"};
  return dtypes[fnv1a64(name) % dtypes.size()];
}

// The standard deviation of codes of which each is as likely.
double deviation_of(const std::string& dtype) {
  return dtype == kFourBits ? 4.61 : dtype == "int5" ? 9.23 : 8.66;
}

std::string layer_of(const std::string& weight) {
  return weight.substr(0, weight.size() - std::string("weight").size());
}

at::Tensor whole_numbers(at::IntArrayRef shape, at::ScalarType dtype, const std::string& name) {
  const at::Generator generator = new_generator(at::kCPU, fnv1a64(name));
  if (dtype == at::kByte) return at::empty(shape, dtype).random_(0, 256, generator);
  return at::empty(shape, dtype)
      .random_(std::numeric_limits<int32_t>::min(), int64_t{std::numeric_limits<int32_t>::max()} + 1, generator);
}

// Scales of either sign, so that the numbers have the deviation that random_weight() gives them.
at::Tensor scales_of(at::IntArrayRef shape, double deviation, int64_t in, const std::string& name) {
  const at::Tensor random = at::empty(shape, at::kFloat).uniform_(-1, 1, new_generator(at::kCPU, fnv1a64(name)));
  const double middle = 1 / (deviation * std::sqrt(static_cast<double>(in)));
  return at::sign(random).add(random * 0.5).mul(middle / 1.26);
}

}  // namespace

RandomCodes::RandomCodes(const std::string& format, std::string folder, const Shapes& shapes)
    : format_(format), folder_(std::move(folder)), shapes_(shapes) {
  if (!format.empty() && format != kAutoRound && format != kSdnq) refuse("format", "autoround or sdnq", format);
  for (const int64_t group : {32, 64, 128}) {  // the largest one that divides the columns of all
    bool fits = true;
    for (const auto& [name, shape] : shapes_) fits = fits && (!is_coded(name) || shape[1] % group == 0);
    if (fits) group_ = group;
  }
}

bool RandomCodes::is_coded(const std::string& name) const {
  const std::vector<int64_t>& shape = shapes_.at(name);
  return !format_.empty() && name.ends_with(".weight") && shape.size() == 2 && shape[0] % 32 == 0 &&
         shape[1] % 32 == 0 && is_quantised_place(format_ == kSdnq, folder_, name);
}

int64_t RandomCodes::group_of(const std::string& weight) const {
  if (format_ == kAutoRound) return group_;
  const int64_t in = shapes_.at(weight)[1];
  const int64_t wanted = sdnq_dtype(weight) == kFourBits ? 64 : 128;
  return in % wanted == 0 ? wanted : in;
}

std::vector<TensorToWrite> RandomCodes::parts(const std::string& weight) const {
  if (!is_coded(weight)) return {};
  const std::string layer = layer_of(weight);
  const int64_t out = shapes_.at(weight)[0];
  const int64_t in = shapes_.at(weight)[1];
  const int64_t groups = in / group_of(weight);
  if (format_ == kAutoRound) {
    return {{layer + "qweight", at::kInt, {in / 8, out}},
            {layer + "scales", at::kHalf, {groups, out}},
            {layer + "qzeros", at::kInt, {groups, out / 8}}};
  }
  std::vector<int64_t> of_groups = {out, groups};
  if (groups > 1) of_groups.push_back(1);
  if (sdnq_dtype(weight) != kFourBits) {
    return {{weight, at::kByte, {out * in / 8, 5}}, {layer + "scale", at::kFloat, of_groups}};
  }
  return {{weight, at::kByte, {out * in / 2}},
          {layer + "scale", at::kFloat, of_groups},
          {layer + "zero_point", at::kFloat, of_groups}};
}

at::Tensor RandomCodes::draw(const std::string& weight, const TensorToWrite& part) const {
  if (part.name.ends_with(".qzeros")) return at::full(part.shape, 0x77777777, at::kInt);  // each is 8, minus 1
  if (part.dtype == at::kInt || part.dtype == at::kByte) return whole_numbers(part.shape, part.dtype, part.name);
  const double deviation = deviation_of(format_ == kAutoRound ? kFourBits : sdnq_dtype(weight));
  const at::Tensor scales = scales_of(part.shape, deviation, shapes_.at(weight)[1], weight);
  return part.name.ends_with(".zero_point") ? scales * -7.5 : scales.to(part.dtype);
}

nlohmann::json RandomCodes::config() const {
  json dtypes = json::object();
  bool coded = false;
  for (const auto& [name, shape] : shapes_) {
    if (!is_coded(name)) continue;
    coded = true;
    if (sdnq_dtype(name) != kFourBits) dtypes[sdnq_dtype(name)].push_back(name);
  }
  if (!coded) return {};
  if (format_ == kSdnq) {
    return {{"quant_method", "sdnq"}, {"weights_dtype", kFourBits}, {"group_size", 0}, {"modules_dtype_dict", dtypes}};
  }
  return {{"quant_method", "auto-round"}, {"bits", 4},
          {"group_size", group_},         {"sym", true},
          {"data_type", "int"},           {"packing_format", "auto_round:auto_gptq"}};
}

}  // namespace glm
