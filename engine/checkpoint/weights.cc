#include "engine/checkpoint/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/refuse.h"
#include "engine/checkpoint/coded_layout.h"
#include "engine/checkpoint/component_files.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/random_weights.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/checkpoint/stored_tensors.h"
#include "glm/error.h"
#include "kernels/quantiser.h"

namespace glm {

namespace fs = std::filesystem;

struct Weights::Store {
  at::ScalarType dtype{};
  at::Device device = at::kCPU;
  std::shared_ptr<Uploader> uploader;  // brings tensors of files to the device; null: they stay on the CPU
  bool random = false;                 // true: there are no files
  StoredTensors tensors;
  std::set<std::string> claimed;                       // tensor names
  std::map<fs::path, std::vector<std::string>> zeros;  // file -> names of tensors that hold nothing but zeros
};

namespace {

bool all_zeros(const char* bytes, size_t size) {
  return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

}  // namespace

Weights::Weights(const fs::path& folder, at::ScalarType dtype, std::shared_ptr<Uploader> uploader, FileAccess access)
    : store_(std::make_shared<Store>()) {
  store_->dtype = dtype;
  if (uploader != nullptr) store_->device = uploader->device();
  store_->uploader = std::move(uploader);
  std::optional<Quantisation> quantisation = Quantisation::of(folder);
  ComponentFiles component(folder, access);
  if (!component.problems.empty()) throw Error(ErrorCode::model, component.problems.front());
  store_->tensors = StoredTensors(folder, std::move(component.files), std::move(quantisation));
}

Weights::Weights(std::shared_ptr<Store> store, std::string scope)
    : store_(std::move(store)), scope_(std::move(scope)) {}

Weights Weights::random(at::ScalarType dtype, at::Device device) {
  auto store = std::make_shared<Store>();
  store->dtype = dtype;
  store->device = device;
  store->random = true;
  return {std::move(store), ""};
}

Weights Weights::operator/(const std::string& name) const {
  Weights own = *this;
  own.scope_ += name + ".";
  return own;
}

Weights Weights::changed(Change change) const {
  Weights own = *this;
  own.changes_.push_back(std::move(change));
  return own;
}

Weights Weights::in_codes(CodedWeight::Coding coding, std::vector<std::string> places) const {
  Weights own = *this;
  own.codes_ = {coding, std::move(places)};
  return own;
}

at::Tensor Weights::tensor(const std::string& name, at::IntArrayRef shape) const {
  const std::string full = scope_ + name;
  at::Tensor weight = stored(full, shape);
  for (const Change& change : changes_) {
    const at::Tensor before = weight;
    weight = change(full, before);
    if (weight.sizes() == shape && weight.options().type_equal(before.options())) continue;
    refuse(ErrorCode::internal, "a change of the tensor \"" + full + "\"",
           dtype_name(before.scalar_type()) + " " + shape_text(shape),
           dtype_name(weight.scalar_type()) + " " + shape_text(weight.sizes()));
  }
  return weight;
}

at::Tensor Weights::stored(const std::string& full, at::IntArrayRef shape) const {
  if (store_->random) return random_weight(full, shape, at::TensorOptions(store_->dtype).device(store_->device));
  if (store_->tensors.is_coded(full)) return read_coded(full, shape).numbers(store_->dtype, 0, shape[0]);
  const SafetensorsFile& file = store_->tensors.find_numbers(full, shape);
  return read(file, full).to(store_->dtype);
}

CodedWeight Weights::read_coded(const std::string& full, at::IntArrayRef shape) const {
  const StoredTensors& tensors = store_->tensors;
  const ReadStored read_part = [&](const std::string& name) { return read(tensors.file_of(name), name); };
  return glm::read_coded(tensors.layout(full, shape), read_part, tensors.place_of_coded(full));
}

std::optional<CodedWeight> Weights::coded(const std::string& name, at::IntArrayRef shape) const {
  const std::string full = scope_ + name;
  const bool becomes_codes = std::any_of(codes_.places.begin(), codes_.places.end(), [&](const std::string& place) {
    return full.find(place) != std::string::npos;
  });
  if (becomes_codes) return quantised(tensor(name, shape), codes_.coding);
  if (store_->random || !changes_.empty() || !store_->tensors.is_coded(full)) return std::nullopt;
  return read_coded(full, shape);
}

// Claims a tensor, and looks for zeros while its bytes pass by. It stops at the first that is something else, so that
// it costs no time.
at::Tensor Weights::read(const SafetensorsFile& file, const std::string& full) const {
  const TensorInfo& info = file.tensors().at(full);
  store_->claimed.insert(full);
  std::atomic<bool> zeros = info.begin < info.end && !may_be_zeros(full);
  at::Tensor weight;
  if (store_->uploader == nullptr) {
    weight = info.dtype == store_->dtype ? file.tensor(full) : file.read(full);
    zeros = zeros && all_zeros(static_cast<const char*>(weight.const_data_ptr()), weight.nbytes());
  } else {
    const auto copy = [&](int64_t offset, char* to, int64_t size) {  // on several threads
      file.copy(full, static_cast<uint64_t>(offset), to, static_cast<uint64_t>(size));
      if (zeros && !all_zeros(to, static_cast<size_t>(size))) zeros = false;
    };
    weight = store_->uploader->upload(info.shape, info.dtype, copy);
  }
  if (zeros) store_->zeros[file.path()].push_back(full);
  return weight;
}

std::vector<std::string> Weights::warnings() const {
  std::vector<std::string> warnings;
  for (const auto& [file, names] : store_->zeros) {
    warnings.push_back(
        file.string() + ": " + std::to_string(names.size()) + (names.size() == 1 ? " tensor holds" : " tensors hold") +
        " nothing but zeros: " + first_of(names) + "; was the download interrupted? download the file again");
  }
  return warnings;
}

double Weights::bytes() const {
  double bytes = 0;
  for (const SafetensorsFile& file : store_->tensors.files()) {
    for (const auto& [name, info] : file.tensors()) {
      if (!name.starts_with(scope_)) continue;
      const auto stored = static_cast<double>(info.end - info.begin);
      const bool is_number = c10::isFloatingType(info.dtype) && !Quantisation::is_part(name);
      if (is_number) {
        bytes += stored * static_cast<double>(c10::elementSize(store_->dtype)) /
                 static_cast<double>(c10::elementSize(info.dtype));
      } else {
        const bool fives = info.dtype == at::kByte && info.shape.size() == 2;  // eight codes in five bytes
        bytes += fives ? stored * 8 / 5 : stored;
      }
    }
  }
  return bytes;
}

bool Weights::has(const std::string& name) const {
  return store_->random || store_->tensors.has(scope_ + name);
}

at::ScalarType Weights::dtype() const {
  return store_->dtype;
}

at::Device Weights::device() const {
  return store_->device;
}

void Weights::leave(const std::string& name) const {
  const std::string prefix = scope_ + name + ".";
  const auto& names = store_->tensors.names();
  for (auto at = names.lower_bound(prefix); at != names.end() && at->first.starts_with(prefix); ++at) {
    store_->claimed.insert(at->first);
  }
}

void Weights::check_mapped_files() const {
  for (const SafetensorsFile& file : store_->tensors.files()) file.check_mapped();
}

void Weights::check_all_claimed() const {
  std::vector<std::string> left;
  for (const auto& [name, file] : store_->tensors.names()) {
    if (!store_->claimed.contains(name)) left.push_back(name);
  }
  if (left.empty()) return;
  const fs::path& file = store_->tensors.file_of(left[0]).path();
  throw Error(ErrorCode::model,
              file.string() + ": " + std::to_string(left.size()) + (left.size() == 1 ? " tensor" : " tensors") +
                  " that this model doesn't use: " + first_of(left) + "; does config.json belong to this file?");
}

}  // namespace glm
