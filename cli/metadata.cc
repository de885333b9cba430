#include "cli/metadata.h"

#include <cstdio>
#include <utility>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "cli/input.h"
#include "cli/terminal.h"
#include "glm/error.h"

namespace glm::cli {

using nlohmann::json;

namespace {

std::string json_number(double value) {
  return json(value).dump();
}

// Replaces what isn't UTF-8, as in the JSON.
std::string valid_utf8(const std::string& text) {
  return json::parse(json_text(json(text))).get<std::string>();
}

// Writes the parameters as the web interface of Stable Diffusion does. Many programs read that.
std::string parameters_of(const Making& m, uint64_t seed) {
  const Details& d = m.details;
  return valid_utf8(m.request.prompt) + "\nSteps: " + std::to_string(d.steps) +
         ", Sampler: Euler, CFG scale: " + json_number(d.guidance) + ", Seed: " + std::to_string(seed) +
         ", Size: " + size_text(d.width, d.height) + ", Model hash: " + m.model_hash.substr(0, 10) +
         ", Model: " + m.model + ", Version: glm-image " + GLM_VERSION;
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
    {"precision", "precision"},
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
                      {"precision", m.precision},
                      {"parse_special", m.request.parse_special},
                      {"allow_early_stop", m.request.allow_early_stop},
                      {"model", m.model},
                      {"model_hash", m.model_hash},
                      {"references", m.reference_hashes}};
  return {.about = about.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace),
          .parameters = parameters_of(m, seed)};
}

json read_metadata(const std::string& file) {
  const std::string name = input_name(file);
  const std::string about = read_about(as_bytes(read_picture_bytes(file)));
  if (about.empty()) {
    refuse(name, "a picture that glm-image made, with its metadata", "no metadata in it");
  }
  try {
    json metadata = parse_json(about, "its metadata");
    if (metadata.is_object()) return metadata;
  } catch (const Error& e) {
    throw Error(ErrorCode::usage, name + ": " + e.what());
  }
  refuse(name, "an object as its metadata", "other JSON");
}

std::string metadata_text(const json& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found != metadata.end() && found->is_string() ? found->get<std::string>() : "";
}

Source source_of(const std::string& file, const json& metadata) {
  Source source{.kind = Source::Kind::picture, .file = file, .values = {}};
  for (const auto& [key, option] : kOptionOf) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) continue;
    std::vector<std::string>& values =
        source.values[option];  // an empty list counts, too: this picture has no texts, whatever weaker sources say
    if (!found->is_array()) values.push_back(value_text(*found));
    for (const json& item : found->is_array() ? *found : json::array()) values.push_back(value_text(item));
  }
  if (metadata.contains("prompt")) source.values["prompt"] = {metadata_text(metadata, "prompt")};
  return source;
}

void run_info(const std::string& file, bool as_json) {
  const json metadata = read_metadata(file);
  if (as_json) {
    print_json(json_text(metadata));
    return;
  }
  for (const auto& [key, value] : metadata.items()) {
    print(printable(key + ": " + value_text(value)) + "\n");
  }
}

}  // namespace glm::cli
