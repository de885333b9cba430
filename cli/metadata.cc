#include "cli/metadata.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/json.h"
#include "base/read_file.h"
#include "base/refuse.h"
#include "cli/terminal.h"
#include "glm/error.h"
#include "glm/weight_formats.h"

namespace glm::cli {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr uint64_t kMostBytes = uint64_t{256} << 20;

std::string json_number(double value) {
  return json(value).dump();
}

// Replaces what isn't UTF-8, as in the JSON.
std::string valid_utf8(const std::string& text) {
  return json::parse(json_text(text)).get<std::string>();
}

// Writes the parameters as the web interface of Stable Diffusion does. Many programs read that.
std::string parameters_of(const Making& m, uint64_t seed) {
  const Details& d = m.details;
  return valid_utf8(m.request.prompt) + "\nSteps: " + std::to_string(d.steps) +
         ", Sampler: Euler, CFG scale: " + json_number(d.guidance) + ", Seed: " + std::to_string(seed) +
         ", Size: " + std::to_string(d.width) + "x" + std::to_string(d.height) +
         ", Model hash: " + m.model_hash.substr(0, 10) + ", Model: " + m.model + ", Version: glm-image " + GLM_VERSION;
}

// Which entries of the metadata are options, and the names of these.
constexpr std::pair<const char*, const char*> kOptionOf[] = {
    {"seed", "seed"},
    {"width", "width"},
    {"height", "height"},
    {"steps", "steps"},
    {"guidance", "cfg-scale"},
    {"temperature", "temperature"},
    {"top_k", "top-k"},
    {"top_p", "top-p"},
    {"greedy", "greedy"},
    {"rng", "rng"},
    {"dtype", "dtype"},
    {"texts", "text"},
    {"parse_special", "parse-special"},
    {"allow_early_stop", "allow-early-stop"},
};

std::string value_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : json_text(value);
}

}  // namespace

PictureText picture_text(const Making& m, uint64_t seed) {
  const Details& d = m.details;
  const json about = {{"program", "glm-image"},
                      {"version", GLM_VERSION},
                      {"prompt", m.request.prompt},
                      {"texts", m.request.texts},
                      {"seed", seed},
                      {"width", d.width},
                      {"height", d.height},
                      {"steps", d.steps},
                      {"guidance", d.guidance},
                      {"temperature", d.temperature},
                      {"top_k", d.top_k},
                      {"top_p", d.top_p},
                      {"greedy", m.request.greedy},
                      {"rng", m.request.rng == Rng::cuda ? "cuda" : "cpu"},
                      {"dtype", m.dtype},
                      {"precision", "prior=" + m.precision},
                      {"parse_special", m.request.parse_special},
                      {"allow_early_stop", m.request.allow_early_stop},
                      {"model", m.model},
                      {"model_hash", m.model_hash},
                      {"references", m.reference_hashes}};
  return {.about = about.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace),
          .parameters = parameters_of(m, seed)};
}

json read_metadata(const fs::path& file) {
  const FileContents contents = read_whole_file(file, kMostBytes);
  if (contents.problem == FileContents::Problem::too_large)
    refuse(file.string(), "a picture file of at most 256 MiB", "a larger one");
  if (contents.problem != FileContents::Problem::none) {
    refuse(ErrorCode::io, file.string(), "a picture to read", "no readable file");
  }
  const std::vector<uint8_t> bytes(contents.bytes.begin(), contents.bytes.end());
  const std::string about = read_about(bytes);
  if (about.empty()) {
    refuse(file.string(), "a picture that glm-image made, with its metadata", "no metadata in it");
  }
  try {
    json metadata = parse_json(about, "its metadata");
    if (metadata.is_object()) return metadata;
  } catch (const Error& e) {
    throw Error(ErrorCode::usage, file.string() + ": " + e.what());
  }
  refuse(file.string(), "an object as its metadata", "other JSON");
}

std::string metadata_text(const json& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found != metadata.end() && found->is_string() ? found->get<std::string>() : "";
}

Source source_of(const fs::path& file, const json& metadata) {
  Source source{.before = file.string() + ": ", .after = "", .is_environment = false, .values = {}};
  for (const auto& [key, option] : kOptionOf) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) continue;
    if (!found->is_array()) {
      source.values[option] = {value_text(*found)};
      continue;
    }
    for (const json& item : *found) source.values[option].push_back(value_text(item));
  }
  const std::string precision = metadata_text(metadata, "precision");
  const std::string plain = "prior=" + weight_formats().front().name;  // the others need a GPU
  if (!precision.empty() && precision != plain) source.values["precision"] = {precision};
  return source;
}

void run_info(const fs::path& file, bool as_json) {
  const json metadata = read_metadata(file);
  if (as_json) {
    print(json_text(metadata) + "\n");
    return;
  }
  for (const auto& [key, value] : metadata.items()) {
    print(printable(key + ": " + value_text(value)) + "\n");
  }
}

}  // namespace glm::cli
