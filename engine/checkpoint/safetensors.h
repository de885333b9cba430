// The safetensors container: a reader that believes nothing the file says, and a writer.
// Format: 8 bytes little-endian header length, JSON header, tensor data.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glm {

struct TensorInfo {
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin;  // bytes from the start of the data
  uint64_t end;
};

// read: tensors are read into memory of their own, and the file may change afterwards. map: tensors are views of the
// mapped file; until the last of them is gone nobody may write to it or shorten it, or the numbers change under the
// reader, or the process is ended by SIGBUS.
enum class FileAccess { read, map };

class SafetensorsFile {
 public:
  // Opens `file` and checks its header: no overlap, no hole, no trailing byte, sizes that agree with shapes.
  // Throws Error(model) naming the file and what is wrong.
  explicit SafetensorsFile(const std::filesystem::path& file, FileAccess access = FileAccess::read);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The tensor as it is stored, on the CPU. `name` must be in tensors(). Throws Error(model) when the file has become
  // shorter, or can't be read. Mapped: read-only, and a copy where the file doesn't align it to its element size.
  at::Tensor tensor(const std::string& name) const;

  // Copies `size` of a tensor's bytes, from `offset` on, to `to`. From any thread. Throws as tensor().
  void copy(const std::string& name, uint64_t offset, char* to, uint64_t size) const;

 private:
  struct File;
  void parse_header(std::string_view header, uint64_t data_size);

  std::filesystem::path path_;
  std::shared_ptr<const File> file_;
  uint64_t data_begin_ = 0;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Writes CPU or GPU tensors, in name order, whole or not at all. Throws Error(io).
void write_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata);

}  // namespace glm
