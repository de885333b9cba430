#include "engine/checkpoint/component_files.h"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>

#include "base/json.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kComplete = "is the checkpoint complete? Download it again";

// Returns how many tensors there are, and the first names.
std::string counted(const std::vector<std::string>& names) {
  return std::to_string(names.size()) + (names.size() == 1 ? " tensor: " : " tensors: ") + first_of(names);
}

// Returns which tensors each shard should hold, by an index file. Adds to `problems` what is wrong with the index.
std::map<std::string, std::set<std::string>> read_index(const fs::path& index, std::vector<std::string>& problems) {
  std::map<std::string, std::set<std::string>> wanted;  // shard -> tensor names
  json content;
  try {
    content = read_json(index);
  } catch (const Error& e) {
    problems.emplace_back(e.what());
    return wanted;
  }
  if (!content.is_object() || !content.contains("weight_map") || !content["weight_map"].is_object()) {
    problems.push_back(index.string() +
                       ": expected the key weight_map with an object, found none; download the file again");
    return wanted;
  }
  for (const auto& [name, shard] : content["weight_map"].items()) {
    const std::string file = shard.is_string() ? shard.get<std::string>() : "";
    if (file.empty() || file.front() == '.' || file != fs::path(file).filename()) {
      problems.push_back(index.string() + ": expected a plain file name for \"" + shortened(name, 200) + "\", found " +
                         shortened(json_text(shard), 100) + "; download the file again");
    } else {
      wanted[file].insert(name);
    }
  }
  return wanted;
}

}  // namespace

std::string first_of(const std::vector<std::string>& names) {
  constexpr size_t most = 3;
  std::string text;
  for (size_t i = 0; i < names.size() && i < most; ++i)
    text += (i > 0 ? ", \"" : "\"") + shortened(names[i], 200) + "\"";
  return names.size() > most ? text + ", …" : text;
}

ComponentFiles::ComponentFiles(const fs::path& folder, FileAccess access) {
  for (const char* stem : {"model", "diffusion_pytorch_model"}) {
    const fs::path single = folder / (std::string(stem) + ".safetensors");
    const fs::path index = folder / (std::string(stem) + ".safetensors.index.json");
    if (is_present(single)) {
      open(single, access);
      return;
    }
    if (is_present(index)) {
      open_shards(index, access);
      return;
    }
  }
  problems.push_back(folder.string() +
                     ": expected model.safetensors, diffusion_pytorch_model.safetensors or the index of their shards, "
                     "found none; " +
                     kComplete);
  std::error_code none;
  std::vector<fs::path> others;
  for (fs::directory_iterator at(folder, none), end; !none && at != end; at.increment(none)) {
    if (at->path().extension() == ".safetensors") others.push_back(at->path());
  }
  std::sort(others.begin(), others.end());
  for (const fs::path& file : others) open(file, access);
}

void ComponentFiles::open(const fs::path& file, FileAccess access) {
  try {
    files.emplace_back(file, access);
  } catch (const Error& e) {
    problems.emplace_back(e.what());
  }
}

void ComponentFiles::open_shards(const fs::path& index, FileAccess access) {
  const std::map<std::string, std::set<std::string>> wanted = read_index(index, problems);
  for (const auto& [shard, names] : wanted) {
    const size_t before = files.size();
    open(index.parent_path() / shard, access);
    if (files.size() == before) continue;
    const SafetensorsFile& file = files.back();
    std::vector<std::string> lacks, more;
    for (const std::string& name : names) {
      if (!file.tensors().contains(name)) lacks.push_back(name);
    }
    for (const auto& entry : file.tensors()) {
      if (!names.contains(entry.first)) more.push_back(entry.first);
    }
    const std::string begin = file.path().string() + ": ";
    const std::string as = index.filename().string();
    if (!lacks.empty())
      problems.push_back(begin + "lacks what " + as + " names here; missing: " + counted(lacks) + "; " + kComplete);
    if (!more.empty())
      problems.push_back(begin + "holds tensors that " + as + " doesn't name here, " + counted(more) + "; " +
                         kComplete);
  }
}

}  // namespace glm
