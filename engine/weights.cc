#include "glm/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <system_error>
#include <utility>

#include "base/file_kind.h"
#include "base/json.h"
#include "base/refuse.h"
#include "engine/boundary.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/file_scan.h"
#include "engine/checkpoint/stored_format.h"
#include "engine/checkpoint/stored_tensors.h"
#include "engine/run/checked_files.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWhole =
    "take a folder in the public layout: zai-org/GLM-Image, Intel's AutoRound or Disty0's SDNQ version of it";

// A component while it is looked at.
struct Part {
  StoredComponent component;
  CheckedComponent checked;
};

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
    if (tensor.zeros && !may_be_zeros(name)) c.zeros.push_back(name);
    c.parameters += part.checked.tensors.count_numbers(name);
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

// Adds what the loader would refuse.
void add_errors(StoredComponent& c, const CheckedComponent& checked) {
  using Kind = TensorError::Kind;
  for (const TensorError& e : checked.errors) {
    if (e.kind() == Kind::contradictory) {
      c.contradictions.emplace_back(e.what());
    } else {
      (e.kind() == Kind::missing     ? c.missing
       : e.kind() == Kind::misshapen ? c.misshapen
                                     : c.mistyped)
          .push_back(e.tensor());
    }
  }
  c.unclaimed = checked.unclaimed;
}

// Finishes a component whose files have been read.
void finish(Part& part, const std::vector<ScannedFile>& scanned, size_t first) {
  StoredComponent& c = part.component;
  const std::vector<SafetensorsFile>& files = part.checked.tensors.files();
  std::map<std::string, ScannedTensor> seen;
  for (size_t i = 0; i < files.size(); ++i) {
    add_tensors(part, files[i], scanned[first + i]);
    seen.insert(scanned[first + i].tensors.begin(), scanned[first + i].tensors.end());
  }
  std::sort(c.tensors.begin(), c.tensors.end(),
            [](const StoredTensor& a, const StoredTensor& b) { return a.name < b.name; });
  c.format = part.checked.format.empty() || c.tensors.empty() ? types_of(c.tensors) : part.checked.format;
  part.checked.check_values(seen);
  add_errors(c, part.checked);
}

void scan(std::vector<Part>& parts, const ReadingCallbacks& callbacks) {
  std::vector<FileToScan> files;
  for (const Part& part : parts) {
    for (const SafetensorsFile& file : part.checked.tensors.files())
      files.push_back({.path = file.path(), .weights = &file});
  }
  const std::vector<ScannedFile> scanned = scan_files(files, callbacks.progress, callbacks.cancel);
  size_t first = 0;
  for (Part& part : parts) {
    finish(part, scanned, first);
    first += part.checked.tensors.files().size();
  }
}

Part part_of(const std::string& name, CheckedComponent checked) {
  std::vector<std::string> problems = checked.problems;
  return {.component = {.name = name, .problems = std::move(problems)}, .checked = std::move(checked)};
}

WeightsReport inspect_checkpoint(const fs::path& folder, const ReadingCallbacks& callbacks) {
  WeightsReport report{.path = folder, .kind = "a GLM-Image checkpoint"};
  CheckedCheckpoint checked(folder);
  for (const std::string& problem : {checked.problem, checked.tokenizer_problem}) {
    if (!problem.empty()) report.problems.push_back(problem);
  }
  std::vector<Part> parts;
  for (CheckedComponent& component : checked.components) {
    const std::string name = component.folder.filename().string();
    parts.push_back(part_of(name, std::move(component)));
    if (!checked.problem.empty()) parts.back().component.unknown = "the checkpoint's configuration can't be read";
  }
  scan(parts, callbacks);
  for (Part& part : parts) report.components.push_back(std::move(part.component));
  return report;
}

std::vector<std::string> names_of(const StoredTensors& tensors) {
  std::vector<std::string> names;
  names.reserve(tensors.names().size());
  for (const auto& entry : tensors.names()) names.push_back(entry.first);
  return names;
}

// A folder with a config.json and weights, but no pipeline around them.
WeightsReport inspect_component(const fs::path& folder, const ReadingCallbacks& callbacks) {
  WeightsReport report{.path = folder, .kind = "one component of a checkpoint", .advice = kWhole};
  CheckedComponent checked(folder, nullptr);
  const std::string name = named_tensors(names_of(checked.tensors)).component;
  std::vector<Part> parts;
  parts.push_back(part_of(name, std::move(checked)));
  parts[0].component.unknown = "the other components' configuration isn't there";
  scan(parts, callbacks);
  report.components.push_back(std::move(parts[0].component));
  return report;
}

WeightsReport inspect_file(const fs::path& file, const ReadingCallbacks& callbacks) {
  WeightsReport report{.path = file, .kind = "a file of weights", .advice = kWhole};
  const SafetensorsFile opened(file);
  CheckedComponent checked(opened);
  NamedTensors told = named_tensors(names_of(checked.tensors));
  told.comfy = told.comfy || opened.metadata().contains("_quantization_metadata");
  std::vector<Part> parts;
  parts.push_back(part_of(told.component, std::move(checked)));
  parts[0].component.unknown = "a lone file has no configuration";
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
  if (name.random)
    refuse(ErrorCode::model, path.string(), "a folder or a file", "random weights, which have no files",
           "give the folder of a checkpoint");
  std::error_code none;
  if (fs::exists(name.folder, none) && !fs::is_directory(name.folder, none)) {
    check_is_no_gguf(name.folder);
    return inspect_file(name.folder, callbacks);
  }
  if (looks_like_checkpoint(name.folder)) return inspect_checkpoint(name.folder, callbacks);
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
    count += c.problems.size() + (is_there ? c.missing.size() : 0) + c.misshapen.size() + c.mistyped.size() +
             c.contradictions.size() + c.unclaimed.size() + c.not_finite.size();
  }
  return static_cast<int64_t>(count);
}

WeightsReport inspect_weights(const fs::path& path, const ReadingCallbacks& callbacks) {
  return guarded(at::kCPU, [&] { return inspect(path, callbacks); });
}

}  // namespace glm
