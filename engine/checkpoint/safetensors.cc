#include "engine/checkpoint/safetensors.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ostream>
#include <tuple>
#include <utility>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/file_kind.h"
#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/dtype.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // the reference reader's limit
constexpr size_t kMaxTensors = 1'000'000;
constexpr size_t kMaxName = 1024;
constexpr size_t kMaxRank = 16;

constexpr const char* kDamaged = "the file is damaged, download it again";

[[noreturn]] void fail(const fs::path& file, const std::string& what) {
  throw Error(ErrorCode::model, file.string() + ": " + what + "; " + kDamaged);
}
// what: the place in the file, or empty for the whole of it.
[[noreturn]] void refuse_damaged(const fs::path& file, const std::string& what, const std::string& expected,
                                 const std::string& found) {
  refuse(ErrorCode::model, file.string() + (what.empty() ? "" : ": " + what), expected, found, kDamaged);
}

uint64_t unsigned_number(const json& value, const fs::path& file, const std::string& what) {
  if (!value.is_number_unsigned()) refuse_damaged(file, what, "a whole number of at least 0", value.dump());
  return value.get<uint64_t>();
}

TensorInfo parse_tensor(const json& entry, const fs::path& file, const std::string& name) {
  const std::string where = "tensor \"" + name + "\"";
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    refuse_damaged(file, where, "the keys dtype, shape and data_offsets", shortened(entry.dump(), 200));
  }
  const auto dtype = entry["dtype"].is_string() ? dtype_named(entry["dtype"].get<std::string>()) : std::nullopt;
  if (!dtype) fail(file, where + ": unknown dtype " + entry["dtype"].dump().substr(0, 50));
  const json& shape = entry["shape"];
  const json& offsets = entry["data_offsets"];
  if (!shape.is_array() || shape.size() > kMaxRank) fail(file, where + ": shape is not a list of at most 16 sizes");
  if (!offsets.is_array() || offsets.size() != 2) fail(file, where + ": data_offsets is not a pair");

  TensorInfo info{*dtype, {}, unsigned_number(offsets[0], file, where), unsigned_number(offsets[1], file, where)};
  // An empty tensor has strides, too, which are products of its sizes. So the product must fit as if no size were 0.
  uint64_t bytes = c10::elementSize(info.dtype);
  bool empty = false;
  for (const json& size : shape) {
    const uint64_t n = unsigned_number(size, file, where);
    empty = empty || n == 0;
    if (!checked_multiply(bytes, std::max<uint64_t>(n, 1), &bytes) || bytes > static_cast<uint64_t>(INT64_MAX)) {
      fail(file, where + ": its shape " + shape.dump() + " overflows");
    }
    info.shape.push_back(static_cast<int64_t>(n));
  }
  if (empty) bytes = 0;
  if (info.end < info.begin || info.end - info.begin != bytes) {
    refuse_damaged(file, where, std::to_string(bytes) + " bytes for " + shape_text(info.shape),
                   "offsets " + offsets.dump());
  }
  return info;
}

}  // namespace

struct SafetensorsFile::File {
  File(const fs::path& file, FileAccess access) : path(file) {
    descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not block
    if (descriptor < 0) {
      throw Error(ErrorCode::model,
                  file.string() + ": can't be opened (" + std::strerror(errno) + "); is the checkpoint complete?");
    }
    try {
      measure();
      if (access == FileAccess::map && size > 0) map();
    } catch (...) {
      ::close(descriptor);
      throw;
    }
  }
  ~File() {
    if (mapped != nullptr) ::munmap(const_cast<char*>(mapped), size);
    ::close(descriptor);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Asks for the length by the descriptor that is read from, so that both are of the same file.
  void measure() {
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
      refuse(ErrorCode::model, path.string(), "a safetensors file", "something else");
    }
    size = static_cast<uint64_t>(status.st_size);
    written = status.st_mtim;
  }
  // Some file systems can't map files. Then the tensors are read.
  void map() {
    void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address != MAP_FAILED) mapped = static_cast<const char*>(address);
  }
  // Touches no mapped byte: where the file has become shorter, that would be a signal.
  void check_mapped() const {
    struct stat status {};
    if (mapped == nullptr || (::fstat(descriptor, &status) == 0 && static_cast<uint64_t>(status.st_size) == size &&
                              status.st_mtim.tv_sec == written.tv_sec && status.st_mtim.tv_nsec == written.tv_nsec)) {
      return;
    }
    refuse(ErrorCode::model, path.string(), "the file as it was loaded, because weights are mapped from it",
           static_cast<uint64_t>(status.st_size) == size
               ? "one that was written to since"
               : std::to_string(status.st_size) + " of " + std::to_string(size) + " bytes",
           "load the checkpoint again, without map_weights where its files may change");
  }

  // Copies `count` bytes, from the file's byte `begin` on, to `to`. what: names them in the message of an Error.
  void read(const std::string& what, uint64_t begin, char* to, uint64_t count) const {
    for (uint64_t done = 0; done < count;) {
      const ssize_t n = ::pread(descriptor, to + done, count - done, static_cast<off_t>(begin + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0)
        throw Error(ErrorCode::model, path.string() + ": " + what + " can't be read (" + std::strerror(errno) + ")");
      if (n == 0) {
        refuse_damaged(path, what, std::to_string(begin + count) + " bytes in the file",
                       std::to_string(begin + done) + "; it has become shorter since it was opened");
      }
      done += static_cast<uint64_t>(n);
    }
  }

  fs::path path;
  int descriptor = -1;
  uint64_t size = 0;
  timespec written{};            // when the file was last written to
  const char* mapped = nullptr;  // the file's first byte; null: the file isn't mapped
};

namespace {

// Refuses a file of another kind that is known. A header's length is small, so that its fifth to eighth bytes are 0.
template <typename File>
void check_kind(const File& file) {
  std::string begin(std::min<uint64_t>(file.size, kFileKindBytes), '\0');
  file.read("its beginning", 0, begin.data(), begin.size());
  if (begin.size() > 8 && begin[8] == '{') return;
  FileKind kind = file_kind(begin);
  const auto is_shown = [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t'; };
  if (kind.name.empty() && begin.size() > 8 && std::all_of(begin.begin(), begin.end(), is_shown)) {
    kind.name = "a text that begins with \"" + shortened(begin, 60) + "\"";
  }
  if (kind.name.empty()) return;
  refuse(ErrorCode::model, file.path.string(), "a safetensors file", kind.name,
         kind.advice.empty() ? "download the checkpoint's own file" : kind.advice);
}

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& file, FileAccess access)
    : path_(file), file_(std::make_shared<const File>(file, access)) {
  check_kind(*file_);
  if (file_->size < 8) refuse_damaged(file, "", "at least 8 bytes", std::to_string(file_->size));
  uint64_t header_size = 0;
  file_->read("its header", 0, reinterpret_cast<char*>(&header_size), sizeof header_size);
  if (header_size > kMaxHeader) {
    refuse_damaged(file, "", "a header of at most 100000000 bytes", std::to_string(header_size));
  }
  data_begin_ = 8 + header_size;
  if (data_begin_ > file_->size) {
    fail(file,
         "its header needs " + std::to_string(data_begin_) + " bytes, the file has " + std::to_string(file_->size));
  }
  std::string header(header_size, '\0');
  file_->read("its header", 8, header.data(), header_size);
  parse_header(header, file_->size - data_begin_);
}

void SafetensorsFile::parse_header(std::string_view header, uint64_t data_size) {
  if (header.empty() || header.front() != '{') fail(path_, "its header doesn't start with {");
  const json entries = parse_json(header, path_.string(), /*max_depth=*/3);
  if (entries.size() > kMaxTensors) fail(path_, "it names more than 1000000 tensors");
  // begin, end, name. With the end second, an empty tensor comes before the one that begins at the same byte.
  std::vector<std::tuple<uint64_t, uint64_t, std::string>> order;
  for (const auto& [name, entry] : entries.items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) refuse_damaged(path_, "__metadata__", "an object", shortened(entry.dump(), 200));
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) {
          refuse_damaged(path_, "__metadata__: " + key, "text", shortened(value.dump(), 200));
        }
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    if (name.size() > kMaxName) fail(path_, "a tensor's name is longer than 1024 bytes");
    const TensorInfo info = parse_tensor(entry, path_, name);
    order.emplace_back(info.begin, info.end, name);
    if (info.end > data_size) {
      fail(path_,
           "tensor \"" + name + "\" ends at byte " + std::to_string(info.end) + " of " + std::to_string(data_size));
    }
    tensors_.emplace(name, info);
  }
  std::sort(order.begin(), order.end());
  uint64_t end = 0;
  for (const auto& [begin, next, name] : order) {
    if (begin != end) {
      refuse_damaged(path_, "tensor \"" + name + "\"",
                     "it to begin at byte " + std::to_string(end) + ", where the one before ends",
                     std::to_string(begin));
    }
    end = next;
  }
  if (end != data_size) {
    refuse_damaged(path_, "", std::to_string(end) + " bytes of data", std::to_string(data_size));
  }
}

at::Tensor SafetensorsFile::tensor(const std::string& name) const {
  const TensorInfo& info = tensors_.at(name);
  const char* const mapped = file_->mapped == nullptr ? nullptr : file_->mapped + data_begin_ + info.begin;
  const bool aligned = reinterpret_cast<uintptr_t>(mapped) % c10::elementSize(info.dtype) == 0;
  if (mapped != nullptr && aligned && info.begin < info.end) {
    // ATen has no read-only tensor. A write would fault, because the mapping is PROT_READ, but nothing writes to
    // weights.
    return at::from_blob(
        const_cast<char*>(mapped), info.shape, [keep = file_](void*) {}, at::TensorOptions(info.dtype));
  }
  return read(name);
}

at::Tensor SafetensorsFile::read(const std::string& name) const {
  const TensorInfo& info = tensors_.at(name);
  at::Tensor result = at::empty(info.shape, info.dtype);
  copy(name, 0, static_cast<char*>(result.mutable_data_ptr()), info.end - info.begin);
  return result;
}

void SafetensorsFile::check_mapped() const {
  file_->check_mapped();
}

void SafetensorsFile::copy(const std::string& name, uint64_t offset, char* to, uint64_t size) const {
  file_->read("tensor \"" + name + "\"", data_begin_ + tensors_.at(name).begin + offset, to, size);
}

uint64_t TensorToWrite::bytes() const {
  return static_cast<uint64_t>(c10::multiply_integers(shape)) * c10::elementSize(dtype);
}

void write_safetensors(const fs::path& file, const std::vector<TensorToWrite>& tensors,
                       const std::map<std::string, std::string>& metadata, const WriteTensor& write_tensor,
                       bool replace) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    const uint64_t end = offset + tensor.bytes();
    header[tensor.name] = {
        {"dtype", dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json_text(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const auto write = [&](std::ostream& out) {
    const uint64_t size = text.size();
    out.write(reinterpret_cast<const char*>(&size), sizeof size);
    out.write(text.data(), static_cast<std::streamsize>(size));
    const PutBytes put = [&out](const void* bytes, uint64_t count) {
      out.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(count));
    };
    for (const TensorToWrite& tensor : tensors) write_tensor(tensor, put);
  };
  if (replace) {
    write_file(file, write);
  } else if (!write_new_file(file, write)) {
    throw Error(ErrorCode::io, file.string() + ": exists already; choose another name");
  }
}

void write_safetensors(const fs::path& file, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata, bool replace) {
  std::vector<TensorToWrite> all;
  all.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) all.push_back({name, tensor.scalar_type(), tensor.sizes().vec()});
  const auto write_tensor = [&](const TensorToWrite& tensor, const PutBytes& put) {
    const at::Tensor bytes = tensors.at(tensor.name).cpu().contiguous();
    put(bytes.const_data_ptr(), bytes.nbytes());
  };
  write_safetensors(file, all, metadata, write_tensor, replace);
}

}  // namespace glm
