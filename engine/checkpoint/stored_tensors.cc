#include "engine/checkpoint/stored_tensors.h"

#include <cstring>
#include <utility>

#include "base/refuse.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/tensor_error.h"

namespace glm {

namespace fs = std::filesystem;
using Kind = TensorError::Kind;

namespace {

constexpr const char* kFits = "does config.json belong to this file?";

std::string place_of(const SafetensorsFile& file, const std::string& name) {
  return file.path().string() + ": tensor \"" + name + "\"";
}

// What the methods add to a layer's name for what isn't its codes.
constexpr const char* kAutoRoundEnds[] = {".qzeros", ".scales", ".g_idx"};
constexpr const char* kSdnqEnds[] = {".scale", ".zero_point", ".svd_up", ".svd_down", ".scale_2", ".codebook"};

// How many numbers of the model a tensor of codes holds.
int64_t count_of_codes(const TensorInfo& info) {
  const int64_t count = c10::multiply_integers(info.shape);
  if (info.dtype == at::kInt) return 8 * count;                            // of 4 bits, AutoRound
  return info.shape.size() == 2 && info.shape[1] == 5 ? 8 * info.shape[0]  // of 5 bits, SDNQ
                                                      : 2 * count;         // of 4 bits
}

}  // namespace

StoredTensors::StoredTensors(fs::path folder, std::vector<SafetensorsFile> files,
                             std::optional<Quantisation> quantisation)
    : folder_(std::move(folder)), files_(std::move(files)), quantisation_(std::move(quantisation)) {
  for (size_t i = 0; i < files_.size(); ++i) {
    for (const auto& entry : files_[i].tensors()) file_of_.emplace(entry.first, i);
  }
}

bool StoredTensors::is_coded(const std::string& weight) const {
  if (!quantisation_) return false;
  const std::optional<Quantisation::Parts> parts = quantisation_->parts(weight);
  if (!parts || !file_of_.contains(parts->codes)) return false;
  // SDNQ's codes have the weight's own name, and so have weights that it left as they are.
  return parts->codes != weight || file_of(weight).tensors().at(weight).dtype == at::kByte;
}

const SafetensorsFile& StoredTensors::find(const std::string& name, std::optional<at::IntArrayRef> shape) const {
  const auto found = file_of_.find(name);
  if (found == file_of_.end()) {
    throw TensorError(Kind::missing, name,
                      folder_.string() + ": the tensor \"" + name + "\" is missing" +
                          (shape ? "; expected it with shape " + shape_text(*shape) : "") +
                          "; is the checkpoint complete? Download it again");
  }
  const SafetensorsFile& file = files_[found->second];
  const TensorInfo& info = file.tensors().at(name);
  if (shape && at::IntArrayRef(info.shape) != *shape) {
    throw TensorError(Kind::misshapen, name,
                      refusal(place_of(file, name), "shape " + shape_text(*shape), shape_text(info.shape), kFits));
  }
  return file;
}

const SafetensorsFile& StoredTensors::find_numbers(const std::string& name,
                                                   std::optional<at::IntArrayRef> shape) const {
  const SafetensorsFile& file = find(name, shape);
  const at::ScalarType dtype = file.tensors().at(name).dtype;
  if (dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf) return file;
  throw TensorError(Kind::mistyped, name,
                    refusal(place_of(file, name), "F32, BF16 or F16", dtype_name(dtype), kReadable));
}

void StoredTensors::check_part(const WantedTensor& part) const {
  const SafetensorsFile& file = find(part.name, part.shape);
  const at::ScalarType dtype = file.tensors().at(part.name).dtype;
  if (dtype == part.dtype) return;
  throw TensorError(Kind::mistyped, part.name,
                    refusal(place_of(file, part.name), dtype_name(part.dtype), dtype_name(dtype), kFits));
}

CodedLayout StoredTensors::layout(const std::string& weight, at::IntArrayRef shape) const {
  const std::string scales = quantisation_->parts(weight).value().scales;
  const TensorInfo& info = find_numbers(scales, std::nullopt).tensors().at(scales);
  CodedLayout layout(*quantisation_, weight, shape, info, place_of_coded(weight));
  check_part(layout.codes);
  check_part(layout.scales);
  if (layout.zeros) check_part(*layout.zeros);
  return layout;
}

std::vector<std::string> StoredTensors::parts(const std::string& weight) const {
  std::vector<std::string> names = {weight};
  if (quantisation_) {
    if (const auto parts = quantisation_->parts(weight)) names = {weight, parts->codes, parts->scales, parts->zeros};
  }
  std::erase_if(names, [this](const std::string& name) { return !file_of_.contains(name); });
  return names;
}

std::map<std::string, std::vector<int64_t>> StoredTensors::coded_shapes() const {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& entry : file_of_) {
    const std::string codes = ".qweight";
    const bool auto_round = entry.first.ends_with(codes);
    const std::string weight =
        auto_round ? entry.first.substr(0, entry.first.size() - codes.size()) + ".weight" : entry.first;
    if (!is_coded(weight)) continue;
    const TensorInfo& info = file_of(entry.first).tensors().at(entry.first);
    const auto scales = file_of_.find(quantisation_->parts(weight).value().scales);
    // Without scales nothing tells the shape; any does to be told that they are missing.
    const std::vector<int64_t> of_scales =
        scales == file_of_.end() ? std::vector<int64_t>{} : file_of(scales->first).tensors().at(scales->first).shape;
    const int64_t out = auto_round && info.shape.size() == 2 ? info.shape[1] : of_scales.empty() ? 0 : of_scales[0];
    shapes[weight] = {out, out > 0 ? count_of_codes(info) / out : 0};
  }
  return shapes;
}

int64_t StoredTensors::count_numbers(const std::string& name) const {
  const TensorInfo& info = file_of(name).tensors().at(name);
  const auto has_codes = [&](const std::string& codes, at::ScalarType dtype) {
    return file_of_.contains(codes) && file_of(codes).tensors().at(codes).dtype == dtype;
  };
  const auto of_layer = [&](const char* end, const char* codes) {
    return name.substr(0, name.size() - std::strlen(end)) + codes;
  };
  for (const char* end : kAutoRoundEnds) {
    if (name.ends_with(end) && has_codes(of_layer(end, ".qweight"), at::kInt)) return 0;
  }
  for (const char* end : kSdnqEnds) {
    if (name.ends_with(end) && has_codes(of_layer(end, ".weight"), at::kByte)) return 0;
  }
  const bool auto_round = name.ends_with(".qweight") && info.dtype == at::kInt;
  const bool sdnq = name.ends_with(".weight") && info.dtype == at::kByte;
  return auto_round || sdnq ? count_of_codes(info) : c10::multiply_integers(info.shape);
}

std::string StoredTensors::place_of_coded(const std::string& weight) const {
  return folder_.string() + ": \"" + weight + "\"";
}

bool may_be_zeros(const std::string& tensor) {
  return tensor.ends_with("bias") || tensor.ends_with(".zero_point") || tensor.ends_with(".g_idx");
}

}  // namespace glm
