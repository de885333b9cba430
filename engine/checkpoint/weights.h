// A component's weights as a scope: `w / "attn1" / "to_q"` names a place in the checkpoint, and a component's
// constructor asks each tensor of it once, by the checkpoint's own name, with the shape it expects.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/checkpoint/safetensors.h"
#include "engine/device/upload.h"

namespace glm {

class Weights {
 public:
  // Opens a component's folder: one safetensors file or the shards that its index names. Tensors are handed out in
  // `dtype` on the CPU, or on the uploader's device. Throws Error(model).
  Weights(const std::filesystem::path& folder, at::ScalarType dtype, std::shared_ptr<Uploader> uploader = nullptr,
          FileAccess access = FileAccess::read);

  // No files: every tensor that is asked for is there, with random numbers that depend on its name alone.
  static Weights random(at::ScalarType dtype, at::Device device);

  Weights operator/(const std::string& name) const;

  // What a component gets instead of a tensor of this name: of its shape, type and device.
  using Change = std::function<at::Tensor(const std::string& name, const at::Tensor& weight)>;
  // The same weights, with `change` after the changes that there are already. An adapter lays its deltas over a
  // checkpoint with it, and no component knows.
  Weights changed(Change change) const;

  // The tensor of this scope's name followed by `name`: on the CPU the mapped file itself where it is mapped and the
  // dtypes agree, else a tensor of its own. Claims it. Throws Error(model) naming file, tensor, expected and found when
  // it is missing, of another shape, or not a number type that weights come in (F32, BF16, F16).
  at::Tensor tensor(const std::string& name, at::IntArrayRef shape) const;

  // Does the checkpoint have this tensor? Claims nothing.
  bool has(const std::string& name) const;

  at::ScalarType dtype() const;  // what tensors are handed out in
  at::Device device() const;     // and where

  // Claims every tensor below `name`, for parts of a component that a later part of the program loads.
  void leave(const std::string& name) const;

  // Throws Error(model) naming the tensors that nothing claimed, when there are any.
  void check_all_claimed() const;

 private:
  struct Store;
  Weights(std::shared_ptr<Store> store, std::string scope, std::vector<Change> changes = {});
  at::Tensor stored(const std::string& full, at::IntArrayRef shape) const;

  std::shared_ptr<Store> store_;
  std::string scope_;  // "" or "….": what stands before a tensor's name
  std::vector<Change> changes_;
};

}  // namespace glm
