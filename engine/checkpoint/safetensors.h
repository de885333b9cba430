// The safetensors container: a memory-mapped reader that believes nothing the file says, and a writer.
// Format: 8 bytes little-endian header length, JSON header, tensor data.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace glm {

struct TensorInfo {
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin;  // bytes from the start of the data
  uint64_t end;
};

class SafetensorsFile {
 public:
  // Maps `file` and checks its header: no overlap, no hole, no trailing byte, sizes that agree with shapes.
  // Throws Error(model) naming the file and what is wrong.
  explicit SafetensorsFile(const std::filesystem::path& file);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The tensor as it is stored, on the CPU: a read-only view of the mapping, which it keeps alive, or a copy where
  // the file doesn't align it to its element size. `name` must be in tensors().
  at::Tensor tensor(const std::string& name) const;

 private:
  struct Mapping;
  void parse_header(std::string_view header, uint64_t data_size);

  std::filesystem::path path_;
  std::shared_ptr<const Mapping> mapping_;
  uint64_t data_begin_ = 0;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Writes CPU or GPU tensors, in name order, whole or not at all. Throws Error(io).
void write_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace glm
