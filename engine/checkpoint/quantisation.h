// How a component's weights were quantised before they were saved, as its config.json says, and reading such weights.
// Upstream: auto-round's QuantizationConfig and QuantLinear, sdnq's SDNQConfig and SDNQDequantizer
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kernels/coded_weight.h"

namespace glm {

struct Quantisation {
  enum class Method { auto_round, sdnq };

  Method method = Method::auto_round;
  int64_t group = 0;                          // columns of a group; -1: all; 0: what the method chooses for a coding
  std::string dtype;                          // SDNQ: of all weights that `dtypes` doesn't name
  std::map<std::string, std::string> dtypes;  // SDNQ: a weight's full name -> its dtype
  bool symmetric = false;                     // AutoRound: every zero is 8
  std::string file;                           // the config.json, for messages

  // Reads the config.json of a component's folder. Returns nothing where the component isn't quantised. Throws
  // Error(model) that names the method or the option that this engine can't read, and says what to do.
  static std::optional<Quantisation> of(const std::filesystem::path& folder);

  // Returns a text such as "AutoRound int4, groups of 128" or "SDNQ uint4, int5".
  std::string text() const;

  // Says whether a tensor of this name holds scales or zeros of a quantised weight.
  static bool is_part(const std::string& name);

  // Returns the names of the two tensors that tell whether the weight of this full name is quantised: those of its
  // codes and its scales. Returns nothing for a name that doesn't end in "weight".
  std::vector<std::string> parts(const std::string& weight) const;
};

// Hands out a tensor as it is stored, after it has checked that it has this dtype and this shape. Without a dtype it
// may be fp32, bf16 or fp16. An empty shape stands for any.
using ReadStored = std::function<at::Tensor(const std::string& name, std::optional<at::ScalarType> dtype,
                                            const std::vector<int64_t>& shape)>;

// Reads a quantised weight. where: the file and the tensor, for messages. Throws Error(model) where the tensors and the
// configuration contradict each other, and what `read` throws.
CodedWeight read_coded(const Quantisation& q, const std::string& weight, at::IntArrayRef shape, const ReadStored& read,
                       const std::string& where);

}  // namespace glm
