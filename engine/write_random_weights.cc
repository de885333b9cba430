#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <system_error>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "base/uuid.h"
#include "engine/boundary.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/random_weights.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/run/expected_tensors.h"
#include "glm/error.h"
#include "glm/weights.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr uint64_t kShard = 5'000'000'000;  // bytes of a file, as upstream's libraries cut them
constexpr const char* kLanguage = "vision_language_encoder";

// The folder that is filled. It gets its name at the end; until then it has another one, and goes with this object.
class NewFolder {
 public:
  explicit NewFolder(fs::path to) : to_(std::move(to)), partial_(to_.string() + ".partial-" + new_uuid().substr(0, 8)) {
    std::error_code failed;
    const bool empty = fs::is_directory(to_, failed) && fs::is_empty(to_, failed);
    if (fs::exists(fs::symlink_status(to_, failed)) && !empty) {
      throw Error(ErrorCode::io, to_.string() + ": exists already; choose another name, or remove it first");
    }
    fs::create_directory(partial_, failed);
    if (failed) refuse_to_write(to_, failed.message());
  }
  ~NewFolder() {
    std::error_code none;
    if (!partial_.empty()) fs::remove_all(partial_, none);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  const fs::path& path() const { return partial_; }
  void finish() {
    std::error_code failed;
    fs::rename(partial_, to_, failed);
    if (failed) refuse_to_write(to_, failed.message());
    partial_.clear();
  }

 private:
  fs::path to_, partial_;
};

// Copies a configuration's file. The weights aren't quantised, and their type may be another one.
void copy_config(const fs::path& from, const fs::path& to, const std::string& dtype) {
  std::string bytes = read_file(from, uint64_t{256} << 20);
  if (from.filename() == "config.json") {
    json config = parse_json(bytes, from.string());
    config.erase("quantization_config");
    if (from.parent_path().filename() == kLanguage) {
      config.erase("torch_dtype");
      config["dtype"] = dtype;
    }
    bytes = config.dump(2) + "\n";
  }
  write_file(to, bytes_writer(as_bytes(bytes)));
}

void copy_configs(const fs::path& from, const fs::path& to, const std::string& dtype) {
  std::vector<fs::path> files = {"model_index.json", "glm_image.json"};
  for (const char* part : {"processor", "scheduler", "text_encoder", "tokenizer", "transformer", "vae", kLanguage}) {
    std::error_code none;
    fs::create_directory(to / part, none);
    for (fs::directory_iterator at(from / part, none), end; !none && at != end; at.increment(none)) {
      const std::string name = at->path().filename().string();
      const bool weights = name.find(".safetensors") != std::string::npos || name == "quantization_config.json";
      if (!weights && at->is_regular_file(none)) files.push_back(fs::path(part) / name);
    }
  }
  for (const fs::path& file : files) {
    if (is_present(from / file)) copy_config(from / file, to / file, dtype);
  }
}

std::vector<std::vector<TensorToWrite>> shards_of(const ExpectedTensors& expected, at::ScalarType dtype) {
  std::vector<std::vector<TensorToWrite>> shards(1);
  uint64_t bytes = 0;
  for (const auto& [name, shape] : expected.shapes) {
    TensorToWrite tensor{name, dtype, shape};
    if (bytes > 0 && bytes + tensor.bytes() > kShard) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += tensor.bytes();
    shards.back().push_back(std::move(tensor));
  }
  return shards;
}

// "model-00001-of-00004.safetensors", or "model.safetensors" where there is one alone.
std::string shard_name(const std::string& stem, size_t number, size_t count) {
  if (count == 1) return stem + ".safetensors";
  std::array<char, 64> end{};
  std::snprintf(end.data(), end.size(), "-%05zu-of-%05zu.safetensors", number, count);
  return stem + end.data();
}

void write_component(const fs::path& folder, const std::vector<std::vector<TensorToWrite>>& shards,
                     const WriteTensor& write_tensor) {
  const std::string part = folder.filename().string();
  const std::string stem = part == "transformer" || part == "vae" ? "diffusion_pytorch_model" : "model";
  json map = json::object();
  uint64_t bytes = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(stem, i + 1, shards.size());
    write_safetensors(folder / name, shards[i], {{"format", "pt"}}, write_tensor, /*replace=*/false);
    for (const TensorToWrite& tensor : shards[i]) {
      map[tensor.name] = name;
      bytes += tensor.bytes();
    }
  }
  if (shards.size() == 1) return;
  const std::string index = json{{"metadata", {{"total_size", bytes}}}, {"weight_map", map}}.dump(2) + "\n";
  write_file(folder / (stem + ".safetensors.index.json"), bytes_writer(as_bytes(index)));
}

void write(const fs::path& config_folder, const fs::path& to, const RandomWeightsOptions& options,
           const ReadingCallbacks& callbacks) {
  const fs::path from = CheckpointName(config_folder).folder;
  const ModelConfig config(from);
  const at::ScalarType dtype = compute_dtype(options.dtype, config.dtype);
  std::map<std::string, std::vector<std::vector<TensorToWrite>>> components;
  uint64_t total = 0;
  for (const auto& [part, expected] : expected_tensors(config)) {
    components[part] = shards_of(expected, dtype);
    for (const auto& shard : components[part]) {
      for (const TensorToWrite& tensor : shard) total += tensor.bytes();
    }
  }
  const fs::path target = (to.has_filename() ? to : to.parent_path());
  NewFolder folder(target);
  std::error_code unknown;
  const fs::space_info space = fs::space(folder.path(), unknown);
  if (!unknown && space.available < total) {
    refuse(ErrorCode::io, to.string(), gigabytes_text(static_cast<double>(total)) + " of free disk",
           gigabytes_text(static_cast<double>(space.available)), "choose another place");
  }
  copy_configs(from, folder.path(), dtype_option(dtype));
  uint64_t done = 0;
  const auto write_tensor = [&](const TensorToWrite& tensor, const PutBytes& put) {
    draw_random_weight(tensor.name, tensor.shape, tensor.dtype, [&](const at::Tensor& part) {
      throw_if_cancelled(callbacks.cancel);
      put(part.const_data_ptr(), part.nbytes());
      done = std::min(total, done + part.nbytes());
      if (callbacks.progress) callbacks.progress(static_cast<int64_t>(done), static_cast<int64_t>(total));
    });
  };
  for (const auto& [part, shards] : components) write_component(folder.path() / part, shards, write_tensor);
  folder.finish();
}

}  // namespace

void write_random_weights(const fs::path& config, const fs::path& to, const RandomWeightsOptions& options,
                          const ReadingCallbacks& callbacks) {
  guarded(at::kCPU, [&] { write(config, to, options, callbacks); });
}

}  // namespace glm
