// A component's tensors by the headers of its files, and whether they are what a model asks for. The loader, weights
// inspect and weights verify go by these rules. Nothing here reads a tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/checkpoint/coded_layout.h"
#include "engine/checkpoint/quantisation.h"
#include "engine/checkpoint/safetensors.h"

namespace glm {

class StoredTensors {
 public:
  StoredTensors() = default;  // none
  // folder: the component's, for messages. quantisation: what its configuration says.
  StoredTensors(std::filesystem::path folder, std::vector<SafetensorsFile> files,
                std::optional<Quantisation> quantisation);

  const std::vector<SafetensorsFile>& files() const { return files_; }
  const std::map<std::string, size_t>& names() const { return file_of_; }  // of all tensors, with indices into files()

  // Is there a weight of this full name, as it is or in a quantised format?
  bool has(const std::string& name) const { return file_of_.contains(name) || is_coded(name); }
  // Is the weight of this full name there in a quantised format? Then its codes are, at least.
  bool is_coded(const std::string& weight) const;

  // The file that has this tensor, which is in names().
  const SafetensorsFile& file_of(const std::string& name) const { return files_[file_of_.at(name)]; }

  // Returns the file that has this tensor. Throws TensorError where it is missing or has another shape. Without a shape
  // it may have any.
  const SafetensorsFile& find(const std::string& name, std::optional<at::IntArrayRef> shape = {}) const;
  // Does the same, and throws TensorError where the tensor has another type than fp32, bf16 or fp16.
  const SafetensorsFile& find_numbers(const std::string& name, std::optional<at::IntArrayRef> shape) const;

  // Returns where the parts of a quantised weight are, and checks the headers of all of them. Throws TensorError.
  CodedLayout layout(const std::string& weight, at::IntArrayRef shape) const;
  // Returns the names of all tensors that are there for a weight: its own, or those of its parts.
  std::vector<std::string> parts(const std::string& weight) const;

  // Returns the shapes of the quantised weights, by their names, as the headers of their codes and scales tell.
  std::map<std::string, std::vector<int64_t>> coded_shapes() const;
  // Returns how many numbers of the model a tensor holds: none where it holds scales and the like. It goes by headers
  // alone, so that a lone file needs no configuration.
  int64_t count_numbers(const std::string& name) const;

  // Returns what messages about a quantised weight begin with.
  std::string place_of_coded(const std::string& weight) const;

 private:
  void check_part(const WantedTensor& part) const;

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, size_t> file_of_;
  std::optional<Quantisation> quantisation_;
};

// May a tensor of this name hold nothing but zeros in a good file? A bias may, and what is subtracted from codes.
bool may_be_zeros(const std::string& tensor);

}  // namespace glm
