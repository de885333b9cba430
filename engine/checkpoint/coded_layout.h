// How a quantised weight lies in a checkpoint's files, and reading it.
// Upstream: auto-round's QuantLinear, sdnq's SDNQDequantizer
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/checkpoint/quantisation.h"
#include "engine/checkpoint/safetensors.h"
#include "kernels/coded_weight.h"

namespace glm {

// A tensor as it has to be stored.
struct WantedTensor {
  std::string name;
  at::ScalarType dtype{};
  std::vector<int64_t> shape;
};

struct CodedLayout {
  std::string weight;  // its full name
  CodedWeight::Coding coding;
  int64_t out = 0, in = 0;
  int64_t group = 0;  // columns
  WantedTensor codes, scales;
  std::optional<WantedTensor> zeros;
  bool symmetric;  // quantization_config says that every zero of AutoRound's is 8

  // Finds out where the parts of the weight of this full name and shape have to be. stored_scales: as the files have
  // them, which tells their type and SDNQ's groups. where: the file and the weight, for messages. Throws TensorError
  // where the shape, the configuration and the scales contradict each other.
  CodedLayout(const Quantisation& q, const std::string& name, at::IntArrayRef shape, const TensorInfo& stored_scales,
              const std::string& where);
};

// What reading all of a weight's scales and zeros shows.
struct CodedValues {
  double most_scale = 0, most_zero = 0;  // the largest magnitudes; infinite or NaN where one isn't finite
  bool eights = true;                    // every byte of AutoRound's zeros is kEights
};
inline constexpr uint8_t kEights = 0x77;  // two zeros of 8, which are stored minus 1

// Throws TensorError for values that nothing can be computed with, or that contradict the configuration.
void check_values(const CodedLayout& layout, const CodedValues& values, const std::string& where);

// Hands out a tensor as it is stored.
using ReadStored = std::function<at::Tensor(const std::string& name)>;

// Reads a weight whose parts are stored as the layout says. Throws as check_values() does, and what `read` throws.
CodedWeight read_coded(const CodedLayout& layout, const ReadStored& read, const std::string& where);

}  // namespace glm
