// The safetensors container: a reader that checks everything the file says, and a writer.
// The format is: the header's length as 8 bytes, little-endian; a JSON header; the tensors' data.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
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
  uint64_t end;    // likewise, one past the last byte
};

// With `read`, tensors are read into memory of their own, and the file may change afterwards. With `map`, tensors are
// views of the mapped file, where its file system can map it. Until the last of them is gone, nobody may write to the
// file or shorten it: otherwise the numbers change under the reader, or SIGBUS ends the process. check_mapped() sees
// that only afterwards.
enum class FileAccess { read, map };

// Any number of threads may use a SafetensorsFile at once. Copies share the open file.
class SafetensorsFile {
 public:
  // Opens `file` and checks its header: tensors don't overlap, leave no hole and no trailing byte, and their sizes
  // agree with their shapes. Throws Error(model) naming the file and what is wrong.
  explicit SafetensorsFile(const std::filesystem::path& file, FileAccess access = FileAccess::read);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  uint64_t data_begin() const { return data_begin_; }  // the file's byte at which the tensors' data starts

  // Returns the tensor as it is stored, on the CPU. `name` must be in tensors(). A tensor of a mapped file is
  // read-only; where the file doesn't align it to its element size, it is a copy. Throws Error(model) when the file
  // can't be read or has become shorter.
  at::Tensor tensor(const std::string& name) const;

  // Returns the tensor in memory of its own, whatever the access. Throws as tensor() does.
  at::Tensor read(const std::string& name) const;

  // Throws Error(model) when the file is mapped and has been written to or shortened since it was opened.
  void check_mapped() const;

  // Copies `size` of a tensor's bytes, from its byte `offset` on, to `to`. Throws as tensor() does.
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

// A tensor that is to be written, and its bytes part by part.
struct TensorToWrite {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;

  uint64_t bytes() const;
};
using PutBytes = std::function<void(const void* bytes, uint64_t count)>;
using WriteTensor = std::function<void(const TensorToWrite& tensor, const PutBytes& put)>;

// Writes tensors in this order. write_tensor: is called for each, and may be called for all of them once more. Nothing
// but a part is in memory. Throws as the function below does, and what `write_tensor` throws.
void write_safetensors(const std::filesystem::path& file, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata, const WriteTensor& write_tensor,
                       bool replace);

// Writes tensors from any device in the order of their names. The file is written whole or not at all. Throws
// Error(io), also for a file that exists where `replace` is false, and Error(internal) for a dtype that the format
// lacks.
void write_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata, bool replace = true);

}  // namespace glm
