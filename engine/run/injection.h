// Stage tensors from a file, used instead of computing them.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>

#include "engine/checkpoint/safetensors.h"

namespace glm {

class Injection {
 public:
  Injection() = default;                                  // nothing is injected
  explicit Injection(const std::filesystem::path& file);  // Error(usage) when it can't be read

  // Which picture of how many the next calls are for: a tensor may hold one for all pictures, or one for each along its
  // first dimension.
  void select(int64_t picture, int64_t pictures) {
    picture_ = picture;
    pictures_ = pictures;
  }

  // Error(usage) for a file without a single tensor that a run from so many references uses: a mistake, of a name for
  // one.
  void check_used(size_t references) const;

  bool has(const std::string& name) const { return file_ && file_->tensors().contains(name); }

  // Ids in [0, limit), of `shape` (-1: any size >= 1). Error(usage) naming file, tensor, expected and found.
  std::optional<at::Tensor> ids(const std::string& name, at::IntArrayRef shape, int64_t limit) const;
  // Numbers, as `dtype`.
  std::optional<at::Tensor> values(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype) const;

  // The largest k for which step{k}.latents is here, or -1.
  int64_t last_step() const;

 private:
  at::Tensor checked(const std::string& name, at::IntArrayRef shape) const;
  [[noreturn]] void fail(const std::string& name, const std::string& expected, const std::string& found) const;

  std::optional<SafetensorsFile> file_;
  int64_t picture_ = 0;
  int64_t pictures_ = 1;
};

}  // namespace glm
