// Reads goldens: what upstream computed. tests/goldens/README.md has the format.
#pragma once

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/checkpoint/safetensors.h"
#include "glm/pipeline.h"
#include "tests/support/tolerance.h"

namespace glm {

class Golden {
 public:
  // The golden in this file of tests/goldens/, read once in a process.
  static const Golden& of(const std::string& file);

  // file: under tests/goldens/. Throws when it isn't made by upstream: versions, script and description are required.
  explicit Golden(const std::string& file);

  const nlohmann::json& parameters() const { return header_.at("case"); }
  const nlohmann::json& header() const { return header_; }
  std::filesystem::path checkpoint() const;  // the folder the case ran on
  Request request() const;                   // the case as a request

  bool has(const std::string& name) const { return file_.tensors().contains(name); }
  bool whole(const std::string& name) const { return has(name) && about(name).at("stride") == 1; }
  std::vector<std::string> names() const;
  at::Tensor tensor(const std::string& name) const;  // must be whole
  at::Tensor kept(const std::string& name) const;    // the elements that were kept, 1-D, or the whole tensor
  at::Tensor same_elements(const std::string& name,
                           const at::Tensor& actual) const;  // of `actual`, as kept() has, on the CPU

  // Compares a whole tensor of ours with what was kept of upstream's, shape and dtype with the whole's.
  testing::AssertionResult matches(const std::string& name, const at::Tensor& actual, tolerance::Bound bound) const;
  // Every byte of the whole tensor equals upstream's, by its hash.
  testing::AssertionResult bytes_equal(const std::string& name, const at::Tensor& actual) const;

 private:
  const nlohmann::json& about(const std::string& name) const { return header_.at("tensors").at(name); }

  SafetensorsFile file_;
  nlohmann::json header_;
};

// FNV-1a of 64 bits over the bytes of a tensor, as 16 hexadecimal digits.
std::string fnv1a64(const at::Tensor& tensor);

}  // namespace glm
