// Stage tensors from a file, used instead of computing them.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/checkpoint/safetensors.h"

namespace glm {

class Injection {
 public:
  Injection() = default;                                  // nothing is injected
  explicit Injection(const std::filesystem::path& file);  // Error(usage) when it can't be read

  // The same for one picture of a call: a tensor may hold one for all pictures, or one for each along its first
  // dimension.
  Injection of(int64_t picture, int64_t pictures) const;

  // Error(usage) for a file without a single tensor that a run from so many references uses: a mistake, of a name for
  // one.
  void check_used(size_t references) const;

  bool has(const std::string& name) const { return file_ && file_->tensors().contains(name); }

  // Ids in [0, limit), of `shape` (-1: any size >= 1). Error(usage) naming file, tensor, expected and found.
  std::optional<at::Tensor> ids(const std::string& name, at::IntArrayRef shape, int64_t limit) const;
  // Numbers, as `dtype`.
  std::optional<at::Tensor> values(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype) const;
  // Would values() give them? Reads no data. Error(usage) as values().
  void check_values(const std::string& name, at::IntArrayRef shape) const;

  // The largest k for which step{k}.latents is here, or -1.
  int64_t last_step() const;

 private:
  // Does the tensor hold one of this shape for each picture?
  bool check_shape(const std::string& name, at::IntArrayRef shape) const;
  at::Tensor read(const std::string& name, at::IntArrayRef shape) const;
  [[noreturn]] void fail(const std::string& name, const std::string& expected, const std::string& found) const;

  std::shared_ptr<const SafetensorsFile> file_;
  int64_t picture_ = 0;
  int64_t pictures_ = 1;
};

}  // namespace glm
