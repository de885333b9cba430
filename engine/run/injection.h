// Stage tensors from a file, used instead of computing them.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "engine/checkpoint/safetensors.h"
#include "glm/request.h"

namespace glm {

class Injection {
 public:
  Injection() = default;                                  // nothing is injected
  explicit Injection(const std::filesystem::path& file);  // throws Error(usage) when it can't be read

  // Returns the injection for the picture of this index. A tensor in the file may hold one part for all pictures, or
  // one for each along its first dimension.
  Injection of(int64_t picture, int64_t pictures) const;

  // Throws Error(usage) when the file has no tensor that a run with so many references uses; a name may be misspelt.
  void check_used(size_t references) const;

  bool has(const std::string& name) const { return file_ && file_->tensors().contains(name); }

  // Returns ids in [0, limit), i64 of `shape` (-1: any size >= 1), or nothing when the file has none of this name.
  // Throws Error(usage) that names the file, the tensor, what was expected and what was found.
  std::optional<at::Tensor> ids(const std::string& name, at::IntArrayRef shape, int64_t limit) const;
  // Returns numbers converted to `dtype`, or nothing. Throws Error(usage) as ids(), also for NaN and infinity.
  std::optional<at::Tensor> values(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype) const;
  // Throws what values() would throw. It reads the tensor's data, too.
  void check_values(const std::string& name, at::IntArrayRef shape) const;

  // Returns the largest k for which the file has step{k}.latents, or -1.
  int64_t last_step() const;

 private:
  // Throws Error(usage) for another shape. Returns whether the tensor holds one part for each picture.
  bool check_shape(const std::string& name, at::IntArrayRef shape) const;
  at::Tensor read(const std::string& name, at::IntArrayRef shape) const;
  [[noreturn]] void fail(const std::string& name, const std::string& expected, const std::string& found) const;

  std::shared_ptr<const SafetensorsFile> file_;
  int64_t picture_ = 0;
  int64_t pictures_ = 1;
};

// Returns the injection that a request names, or one of nothing. Throws as the constructor and check_used() do.
Injection injection_of(const Request& request);

}  // namespace glm
