#include "glm/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <system_error>

#include "base/file_kind.h"
#include "base/json.h"
#include "base/refuse.h"
#include "engine/boundary.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/component_files.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/file_scan.h"
#include "engine/checkpoint/stored_format.h"
#include "engine/run/expected_tensors.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kComponents[] = {"vision_language_encoder", "transformer", "text_encoder", "vae"};
constexpr const char* kWhole =
    "take a folder in the public layout: zai-org/GLM-Image, Intel's AutoRound or Disty0's SDNQ version of it";

// A component while it is looked at.
struct Part {
  StoredComponent component;
  ComponentFiles files;
  StoredFormat format;
  const ExpectedTensors* expected = nullptr;  // null: nothing tells
};

void add_once(std::vector<std::string>& problems, const std::string& problem) {
  if (std::find(problems.begin(), problems.end(), problem) == problems.end()) problems.push_back(problem);
}

int64_t count_of(const std::vector<int64_t>& shape) {
  return c10::multiply_integers(shape);
}

// Adds the tensors of a file with what their numbers are.
void add_tensors(Part& part, const SafetensorsFile& file, const ScannedFile& scanned) {
  StoredComponent& c = part.component;
  if (!scanned.problem.empty()) {
    c.problems.push_back(file.path().string() + ": " + scanned.problem + "; is the disk well? Download the file again");
  }
  for (const auto& [name, info] : file.tensors()) {
    StoredTensor tensor{.name = name,
                        .dtype = dtype_name(info.dtype),
                        .shape = info.shape,
                        .file = file.path(),
                        .begin = static_cast<int64_t>(file.data_begin() + info.begin),
                        .end = static_cast<int64_t>(file.data_begin() + info.end)};
    if (const auto seen = scanned.tensors.find(name); seen != scanned.tensors.end()) {
      tensor.zeros = seen->second.zeros;
      tensor.not_finite = static_cast<int64_t>(seen->second.not_finite);
    }
    if (tensor.not_finite > 0) c.not_finite.push_back(name);
    // A bias and what is subtracted from codes may be zeros in a good file.
    if (tensor.zeros && !name.ends_with("bias") && !name.ends_with(".zero_point") && !name.ends_with(".g_idx")) {
      c.zeros.push_back(name);
    }
    c.bytes += tensor.end - tensor.begin;
    c.tensors.push_back(std::move(tensor));
  }
}

// Names the types of the tensors, the one with the most bytes first.
std::string types_of(const std::vector<StoredTensor>& tensors) {
  std::map<std::string, int64_t> bytes;
  for (const StoredTensor& tensor : tensors) bytes[tensor.dtype] += tensor.end - tensor.begin;
  std::vector<std::string> dtypes;
  dtypes.reserve(bytes.size());
  for (const auto& entry : bytes) dtypes.push_back(entry.first);
  std::stable_sort(dtypes.begin(), dtypes.end(),
                   [&](const std::string& a, const std::string& b) { return bytes[a] > bytes[b]; });
  return dtypes_text(dtypes);
}

// Counts the numbers of the model. A quantised weight has as many as the model needs there, or as its codes tell.
int64_t parameters_of(const Part& part, const std::set<std::string>& quantised) {
  int64_t all = 0;
  for (const StoredTensor& tensor : part.component.tensors) {
    if (!part.format.is_main(tensor.name)) continue;
    const std::string owner = part.format.owner_of(tensor.name);
    int64_t count = count_of(tensor.shape);
    if (quantised.contains(owner)) {
      const bool known = part.expected != nullptr && part.expected->shapes.contains(owner);
      if (known) {
        count = count_of(part.expected->shapes.at(owner));
      } else if (part.format.bits > 0) {
        count = count * 32 / part.format.bits;
      }
    }
    all += count;
  }
  return all;
}

// Compares the tensors with those that the model needs.
void compare(Part& part, const std::set<std::string>& quantised) {
  StoredComponent& c = part.component;
  std::map<std::string, const StoredTensor*> owners;
  for (const StoredTensor& tensor : c.tensors) {
    const std::string owner = part.format.owner_of(tensor.name);
    if (part.format.is_main(tensor.name) || !owners.contains(owner)) owners[owner] = &tensor;
  }
  for (const auto& [name, shape] : part.expected->shapes) {
    const auto other = part.expected->other_names.find(name);
    const bool renamed = !owners.contains(name) && other != part.expected->other_names.end();
    const auto found = owners.find(renamed ? other->second : name);
    if (found == owners.end() || !part.format.is_main(found->second->name)) {
      c.missing.push_back(name);
    } else if (!quantised.contains(name) && found->second->shape != shape) {
      c.misshapen.push_back(name);
    }
  }
  for (const auto& entry : owners) {
    if (!part.expected->may_hold(entry.first)) c.unclaimed.push_back(entry.first);
  }
}

// Finishes a component whose files have been read.
void finish(Part& part, const std::vector<ScannedFile>& scanned, size_t first) {
  StoredComponent& c = part.component;
  for (size_t i = 0; i < part.files.files.size(); ++i) add_tensors(part, part.files.files[i], scanned[first + i]);
  std::sort(c.tensors.begin(), c.tensors.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  std::set<std::string> quantised;  // weights that aren't stored by themselves alone
  for (const StoredTensor& tensor : c.tensors) {
    const std::string owner = part.format.owner_of(tensor.name);
    if (owner != tensor.name) quantised.insert(owner);
  }
  c.format = part.format.text.empty() || c.tensors.empty() ? types_of(c.tensors) : part.format.text;
  c.parameters = parameters_of(part, quantised);
  if (part.expected != nullptr) compare(part, quantised);
}

void scan(std::vector<Part>& parts, const ReadingCallbacks& callbacks) {
  std::vector<FileToScan> files;
  for (const Part& part : parts) {
    for (const SafetensorsFile& file : part.files.files) files.push_back({.path = file.path(), .weights = &file});
  }
  const std::vector<ScannedFile> scanned = scan_files(files, callbacks.progress, callbacks.cancel);
  size_t first = 0;
  for (Part& part : parts) {
    finish(part, scanned, first);
    first += part.files.files.size();
  }
}

Part part_of(const std::string& name, const fs::path& folder) {
  Part part{.component = {.name = name}, .files = ComponentFiles(folder), .format = StoredFormat::of(folder)};
  part.component.problems = part.files.problems;
  if (!part.format.problem.empty()) add_once(part.component.problems, part.format.problem);
  return part;
}

WeightsReport inspect_checkpoint(const fs::path& folder, const ReadingCallbacks& callbacks) {
  WeightsReport report{.path = folder, .kind = "a GLM-Image checkpoint"};
  std::map<std::string, ExpectedTensors> expected;
  try {
    expected = expected_tensors(ModelConfig(folder));
  } catch (const Error& e) {
    report.problems.emplace_back(e.what());
  }
  std::vector<Part> parts;
  for (const char* name : kComponents) {
    parts.push_back(part_of(name, folder / name));
    if (expected.empty()) {
      parts.back().component.unknown = "the checkpoint's configuration can't be read";
    } else {
      parts.back().expected = &expected.at(name);
    }
    std::erase_if(parts.back().component.problems, [&](const std::string& problem) {
      return !report.problems.empty() && problem == report.problems.front();
    });
  }
  scan(parts, callbacks);
  for (Part& part : parts) report.components.push_back(std::move(part.component));
  return report;
}

// A folder with a config.json and weights, but no pipeline around them.
WeightsReport inspect_component(const fs::path& folder, const ReadingCallbacks& callbacks) {
  WeightsReport report{.path = folder, .kind = "one component of a checkpoint", .advice = kWhole};
  std::vector<Part> parts;
  parts.push_back(part_of("", folder));
  std::vector<std::string> names;
  for (const SafetensorsFile& file : parts[0].files.files) {
    for (const auto& entry : file.tensors()) names.push_back(entry.first);
  }
  parts[0].component.name = named_tensors(names).component;
  parts[0].component.unknown = "the other components' configuration isn't there";
  scan(parts, callbacks);
  report.components.push_back(std::move(parts[0].component));
  return report;
}

WeightsReport inspect_file(const fs::path& file, const ReadingCallbacks& callbacks) {
  WeightsReport report{.path = file, .kind = "a file of weights", .advice = kWhole};
  const SafetensorsFile opened(file);
  std::vector<std::string> names;
  for (const auto& entry : opened.tensors()) names.push_back(entry.first);
  NamedTensors told = named_tensors(names);
  told.comfy = told.comfy || opened.metadata().contains("_quantization_metadata");
  std::vector<Part> parts;
  parts.push_back({.component = {.name = told.component}, .files = ComponentFiles(opened), .format = {}});
  parts[0].component.unknown = "a lone file has no configuration";
  if (is_present(file.parent_path() / "config.json")) parts[0].format = StoredFormat::of(file.parent_path());
  if (told.adapter) {
    report.kind = "a LoRA or another adapter, which changes a checkpoint's weights and is none itself";
    report.advice =
        "this program takes no adapters: merge it into a checkpoint in bf16 first, with the program that made it";
  } else if (told.comfy) {
    report.kind = "a file of weights that are quantised as ComfyUI does";
  } else if (told.component.empty()) {
    report.kind = "a safetensors file whose tensors are none of this model's";
  }
  scan(parts, callbacks);
  report.components.push_back(std::move(parts[0].component));
  return report;
}

// Throws Error(model) for files that are no safetensors files, where more can be said than SafetensorsFile says.
void check_is_no_gguf(const fs::path& file) {
  std::error_code none;
  if (!fs::is_regular_file(file, none)) return;
  std::string begin(4, '\0');
  std::ifstream(file, std::ios::binary).read(begin.data(), 4);
  if (begin != "GGUF") return;
  refuse(ErrorCode::model, file.string(), "weights in the safetensors format",
         "a GGUF file, which this program can't read", kWhole);
}

WeightsReport inspect(const fs::path& path, const ReadingCallbacks& callbacks) {
  const CheckpointName name(path);
  if (name.random) refuse(ErrorCode::model, path.string(), "a folder or a file", "random weights, which have no files");
  std::error_code none;
  if (fs::exists(name.folder, none) && !fs::is_directory(name.folder, none)) {
    check_is_no_gguf(name.folder);
    return inspect_file(name.folder, callbacks);
  }
  const auto is_there = [&](const char* part) { return fs::is_directory(name.folder / part, none); };
  if (is_present(name.folder / "model_index.json") ||
      std::any_of(std::begin(kComponents), std::end(kComponents), is_there))
    return inspect_checkpoint(name.folder, callbacks);
  for (const char* adapter : {"adapter_model.safetensors", "pytorch_lora_weights.safetensors"}) {
    if (is_present(name.folder / adapter)) return inspect_file(name.folder / adapter, callbacks);
  }
  if (!is_present(name.folder / "config.json")) check_checkpoint(name.folder);  // throws
  return inspect_component(name.folder, callbacks);
}

}  // namespace

int64_t WeightsReport::count_problems() const {
  size_t count = problems.size();
  for (const StoredComponent& c : components) {
    const bool is_there = !c.tensors.empty() || c.problems.empty();  // else everything is missing, which is one problem
    count += c.problems.size() + (is_there ? c.missing.size() : 0) + c.misshapen.size() + c.unclaimed.size() +
             c.not_finite.size();
  }
  return static_cast<int64_t>(count);
}

WeightsReport inspect_weights(const fs::path& path, const ReadingCallbacks& callbacks) {
  return guarded(at::kCPU, [&] { return inspect(path, callbacks); });
}

}  // namespace glm
