// Collects the stage tensors of a run and writes them to a file.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/components/layers/tap.h"

namespace glm {

class Dump {
 public:
  Dump() = default;  // keeps nothing
  Dump(std::filesystem::path file, Tap::Level level) : file_(std::move(file)), level_(level) {}

  // Keeps what it is handed; valid as long as this object.
  Tap tap();

  // Writes what was kept, whole or not at all. What several pictures handed in and isn't the same for all stands
  // in one tensor, picture after picture along the first dimension. Throws Error(io).
  void write(const std::string& json) const;

 private:
  std::filesystem::path file_;
  Tap::Level level_ = Tap::Level::stages;
  std::map<std::string, std::vector<at::Tensor>> kept_;
};

}  // namespace glm
