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
#include "engine/checkpoint/config.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/random_codes.h"
#include "engine/checkpoint/random_weights.h"
#include "engine/checkpoint/safetensors.h"
#include "engine/run/checked_files.h"
#include "engine/run/expected_tensors.h"
#include "glm/error.h"
#include "glm/weights.h"
#include "tokenizer/prompt_layout.h"

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

// Copies a configuration's file. How the weights are quantised, and their type, may be another. quantisation: null
// where they aren't
void copy_config(const fs::path& from, const fs::path& to, const std::string& dtype, const json& quantisation) {
  std::string bytes = read_file(from, uint64_t{256} << 20);
  if (from.filename() == "config.json") {
    json config = parse_json(bytes, from.string());
    config.erase("quantization_config");
    if (!quantisation.is_null()) config["quantization_config"] = quantisation;
    if (from.parent_path().filename() == kLanguage) {
      config.erase("torch_dtype");
      config["dtype"] = dtype;
    }
    bytes = config.dump(2) + "\n";
  }
  write_file(to, bytes_writer(as_bytes(bytes)));
}

// codes: by the folders' names
void copy_configs(const fs::path& from, const fs::path& to, const std::string& dtype,
                  const std::map<std::string, RandomCodes>& codes) {
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
    if (!is_present(from / file)) continue;
    const auto own = codes.find(file.parent_path().string());
    copy_config(from / file, to / file, dtype, own == codes.end() ? json() : own->second.config());
  }
}

using Shards = std::vector<std::vector<TensorToWrite>>;

// A folder's tensors as they are to be written.
struct Component {
  Shards shards = Shards(1);
  std::map<std::string, std::string> weight_of;  // a quantised weight's part -> the weight
};

Component component_of(const RandomCodes::Shapes& shapes, const RandomCodes& codes, at::ScalarType dtype) {
  Component component;
  uint64_t bytes = 0;
  for (const auto& [name, shape] : shapes) {
    std::vector<TensorToWrite> tensors = codes.parts(name);
    for (const TensorToWrite& part : tensors) component.weight_of[part.name] = name;
    if (tensors.empty()) tensors.push_back({name, dtype, shape});
    for (TensorToWrite& tensor : tensors) {
      if (bytes > 0 && bytes + tensor.bytes() > kShard) {
        component.shards.emplace_back();
        bytes = 0;
      }
      bytes += tensor.bytes();
      component.shards.back().push_back(std::move(tensor));
    }
  }
  return component;
}

// "model-00001-of-00004.safetensors", or "model.safetensors" where there is one alone.
std::string shard_name(const std::string& stem, size_t number, size_t count) {
  if (count == 1) return stem + ".safetensors";
  std::array<char, 64> end{};
  std::snprintf(end.data(), end.size(), "-%05zu-of-%05zu.safetensors", number, count);
  return stem + end.data();
}

void write_component(const fs::path& folder, const Shards& shards, const WriteTensor& write_tensor) {
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

// Gives a token this id, and the token that has it so far the other one's.
void give_id(json& tokenizer, const std::string& token, int64_t id) {
  json& vocabulary = tokenizer["model"]["vocab"];
  json& added = tokenizer["added_tokens"];
  int64_t before = vocabulary.value(token, int64_t{-1});
  for (const json& one : added) {
    if (one.value("content", "") == token) before = one.value("id", before);
  }
  for (json& one : vocabulary) {
    if (one == id) one = before;
  }
  for (json& one : added) {
    if (one.value("content", "") == token) {
      one["id"] = id;
    } else if (one.value("id", int64_t{-1}) == id) {
      one["id"] = before;
    }
  }
  if (vocabulary.contains(token)) vocabulary[token] = id;
}

// Gives the tokens that lay out a prompt the ids that config.json says. The tokenizer may be another model's.
void fit_tokenizer(const fs::path& processor, const GenerationConfig& ids) {
  const LayoutTokens tokens = read_layout_tokens(processor / "tokenizer_config.json");
  const fs::path file = processor / "tokenizer.json";
  json tokenizer = read_json(file);
  give_id(tokenizer, tokens.image_begin, ids.image_begin);
  give_id(tokenizer, tokens.image_end, ids.image_end);
  give_id(tokenizer, tokens.image, ids.image_token);
  const std::string bytes = tokenizer.dump() + "\n";
  write_file(file, bytes_writer(as_bytes(bytes)));
}

void check_room(const fs::path& folder, const fs::path& to, uint64_t bytes) {
  std::error_code unknown;
  const fs::space_info space = fs::space(folder, unknown);
  if (unknown || space.available >= bytes) return;
  refuse(ErrorCode::io, to.string(), gigabytes_text(static_cast<double>(bytes)) + " of free disk",
         gigabytes_text(static_cast<double>(space.available)), "choose another place");
}

void write(const fs::path& config_folder, const fs::path& to, const RandomWeightsOptions& options,
           const ReadingCallbacks& callbacks) {
  const fs::path from = CheckpointName(config_folder).folder;
  const ModelConfig config(from);
  check_tokenizers(from);
  const at::ScalarType dtype = compute_dtype(options.dtype, config.dtype);
  const std::map<std::string, ExpectedTensors> expected = expected_tensors(config);
  std::map<std::string, RandomCodes> codes;
  std::map<std::string, Component> components;
  uint64_t total = 0;
  for (const auto& [part, tensors] : expected) {
    const RandomCodes& own = codes.try_emplace(part, options.format, part, tensors.shapes).first->second;
    components[part] = component_of(tensors.shapes, own, dtype);
    for (const auto& shard : components[part].shards) {
      for (const TensorToWrite& tensor : shard) total += tensor.bytes();
    }
  }
  NewFolder folder(to.has_filename() ? to : to.parent_path());
  check_room(folder.path(), to, total);
  copy_configs(from, folder.path(), dtype_option(dtype), codes);
  fit_tokenizer(folder.path() / "processor", config.generation);
  uint64_t done = 0;
  for (const auto& [part, component] : components) {
    const RandomCodes& own = codes.at(part);
    const auto& weight_of = component.weight_of;
    write_component(folder.path() / part, component.shards, [&](const TensorToWrite& tensor, const PutBytes& put) {
      const auto take = [&](const at::Tensor& numbers) {
        throw_if_cancelled(callbacks.cancel);
        put(numbers.const_data_ptr(), numbers.nbytes());
        done = std::min(total, done + numbers.nbytes());
        if (callbacks.progress) callbacks.progress(static_cast<int64_t>(done), static_cast<int64_t>(total));
      };
      const auto weight = weight_of.find(tensor.name);
      if (weight == weight_of.end()) return draw_random_weight(tensor.name, tensor.shape, tensor.dtype, take);
      take(own.draw(weight->second, tensor));
    });
  }
  folder.finish();
}

}  // namespace

void write_random_weights(const fs::path& config, const fs::path& to, const RandomWeightsOptions& options,
                          const ReadingCallbacks& callbacks) {
  guarded(at::kCPU, [&] { write(config, to, options, callbacks); });
}

}  // namespace glm
