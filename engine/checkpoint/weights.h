// A component's weights as a scope: `w / "attn1" / "to_q"` names a place in the checkpoint. A component's constructor
// asks for each of its tensors once, by the checkpoint's own name and with the shape that it expects.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/checkpoint/safetensors.h"
#include "engine/device/upload.h"
#include "kernels/coded_weight.h"

namespace glm {

// Copies and scopes share the files and the record of what was claimed, so only one thread may use them at a time.
class Weights {
 public:
  // Opens a component's folder: one safetensors file, or the shards that its index names. Tensors are handed out in
  // `dtype`, on the uploader's device or, without an uploader, on the CPU. Throws Error(model).
  Weights(const std::filesystem::path& folder, at::ScalarType dtype, std::shared_ptr<Uploader> uploader = nullptr,
          FileAccess access = FileAccess::read);

  // Returns weights without files: every tensor that is asked for is there, with random numbers (random_weights.h).
  static Weights random(at::ScalarType dtype, at::Device device);

  // Returns the scope `name` inside this one.
  Weights operator/(const std::string& name) const;

  // Returns what a component gets instead of the tensor `weight`, which has this full name. It must have the same
  // shape, dtype and device.
  using Change = std::function<at::Tensor(const std::string& name, const at::Tensor& weight)>;
  // Returns the same weights with `change` applied after the changes that there are already. An adapter lays its deltas
  // over a checkpoint by this, and no component knows of it.
  Weights changed(Change change) const;

  // Claims the tensor of this scope's name followed by `name`, and returns it with its changes. On the CPU it is a view
  // of the file where that is mapped and the dtypes agree; elsewhere it has memory of its own. A matrix in a quantised
  // format becomes numbers. Throws Error(model) naming file, tensor, expected and found when the tensor is missing, has
  // another shape, or isn't in F32, BF16 or F16, and Error(internal) when a change doesn't keep shape, dtype and
  // device.
  at::Tensor tensor(const std::string& name, at::IntArrayRef shape) const;

  // Returns the same weights, of which coded() hands out matrices of numbers in codes, with their changes: those whose
  // full names contain one of `places`.
  Weights in_codes(CodedWeight::Coding coding, std::vector<std::string> places) const;

  // Claims a matrix that the checkpoint has in a quantised format, or that in_codes() names, and returns it so. Returns
  // nothing for another matrix, or where a change is laid over one of the checkpoint's codes: tensor() has it then.
  // Throws as tensor() does, and Error(model) where the matrix contradicts the component's quantization_config.
  std::optional<CodedWeight> coded(const std::string& name, at::IntArrayRef shape) const;

  // Returns how many bytes the tensors of this scope take in memory: codes and scales as they are, others in dtype().
  double bytes() const;

  // Does the checkpoint have this tensor? Claims nothing.
  bool has(const std::string& name) const;

  at::ScalarType dtype() const;  // the dtype that tensors are handed out in
  at::Device device() const;     // the device that they are handed out on

  // Claims every tensor below `name` without loading it, for parts that a component doesn't need.
  void leave(const std::string& name) const;

  // Throws Error(model), naming the first of them, when there are tensors that nothing has claimed.
  void check_all_claimed() const;

  // Says for each file which of the tensors that were claimed so far hold nothing but zeros, as an interrupted download
  // leaves them. Biases are passed over: a model may have been trained without ever changing them.
  std::vector<std::string> warnings() const;

  // Throws Error(model) when a mapped file has been changed or shortened since it was opened.
  void check_mapped_files() const;

 private:
  struct Store;
  struct Codes {
    CodedWeight::Coding coding{};
    std::vector<std::string> places;
  };
  Weights(std::shared_ptr<Store> store, std::string scope);
  at::Tensor stored(const std::string& full, at::IntArrayRef shape) const;  // the tensor before its changes
  at::Tensor read(const SafetensorsFile& file, const std::string& full) const;
  CodedWeight read_coded(const std::string& full, at::IntArrayRef shape) const;

  std::shared_ptr<Store> store_;
  std::string scope_;  // what stands before a tensor's name: "" or a text that ends in a dot
  std::vector<Change> changes_;
  Codes codes_;  // without places: no numbers become codes
};

}  // namespace glm
