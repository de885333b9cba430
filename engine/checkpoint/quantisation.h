// How a component's weights were quantised before they were saved, as its config.json says.
// Upstream: auto-round's QuantizationConfig, sdnq's SDNQConfig
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "kernels/coded_weight.h"

namespace glm {

// What to do with weights that aren't in a format that is read here.
inline constexpr const char* kReadable =
    "take the checkpoint in bf16 (zai-org/GLM-Image), Intel's AutoRound or Disty0's SDNQ version of it";

struct Quantisation {
  enum class Method { auto_round, sdnq };

  Method method = Method::auto_round;
  int64_t group = 0;                          // AutoRound: columns of a group; -1: all
  std::string dtype;                          // SDNQ: of all weights that `dtypes` doesn't name
  std::map<std::string, std::string> dtypes;  // SDNQ: a weight's full name -> its dtype
  bool symmetric = false;                     // AutoRound: every zero is 8
  std::string file;                           // the config.json, for messages

  // Reads the config.json and quantization_config.json of a component's folder. Returns nothing where the component
  // isn't quantised. Throws Error(model) that names the damaged file, or the method or the option that this engine
  // can't read, and says what to do.
  static std::optional<Quantisation> of(const std::filesystem::path& folder);

  // Returns a text such as "AutoRound int4, groups of 128" or "SDNQ uint4, float5, int5", whose first dtype is that of
  // most weights.
  std::string text() const;

  // Says whether a tensor of this name holds scales or zeros of a quantised weight.
  static bool is_part(const std::string& name);

  // The names of the tensors that hold a weight's parts. Not every weight has zeros.
  struct Parts {
    std::string codes, scales, zeros;
  };
  // Returns those of the weight of this full name. Returns nothing for a name that doesn't end in "weight".
  std::optional<Parts> parts(const std::string& weight) const;

  // Returns how the numbers of the weight of this full name are coded. Throws Error(model) where the configuration says
  // it twice, and differently.
  CodedWeight::Coding coding_of(const std::string& weight) const;
};

}  // namespace glm
