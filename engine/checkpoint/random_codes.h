// Random weights in the formats that auto-round and sdnq write, for measuring where nobody has such a checkpoint.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/checkpoint/safetensors.h"

namespace glm {

// The quantised random weights of one of a checkpoint's folders.
class RandomCodes {
 public:
  using Shapes = std::map<std::string, std::vector<int64_t>>;  // by the tensors' names

  // format: "autoround" or "sdnq", or "" for weights that aren't quantised. folder: its name, such as "transformer".
  // shapes: of all its tensors; they have to outlive this. Throws Error(usage) for another format.
  RandomCodes(const std::string& format, std::string folder, const Shapes& shapes);

  // Returns the tensors that hold the weight of this name: codes, scales and perhaps zeros. Returns nothing where it
  // isn't quantised.
  std::vector<TensorToWrite> parts(const std::string& weight) const;
  // Draws one of these. The same names and shapes give the same numbers.
  at::Tensor draw(const std::string& weight, const TensorToWrite& part) const;
  // Returns the quantization_config that config.json has to have; null where nothing is quantised.
  nlohmann::json config() const;

 private:
  bool is_coded(const std::string& name) const;
  int64_t group_of(const std::string& weight) const;

  std::string format_;
  std::string folder_;
  const Shapes& shapes_;
  int64_t group_ = 0;  // AutoRound's, of all weights
};

}  // namespace glm
