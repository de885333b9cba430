// The metadata in a picture's file, and `glm-image info`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/sources.h"
#include "glm/encode.h"
#include "glm/pipeline.h"

namespace glm::cli {

// What all pictures of a call have in common.
struct Making {
  Request request;
  Details details;
  std::string dtype;
  std::string precision;  // of all components
  std::string model;      // its folder's name
  std::string model_hash;
  std::vector<std::string> reference_hashes;  // SHA-256 of the files
};

// Returns the metadata of the picture of this seed, as its file holds them.
PictureText picture_text(const Making& making, uint64_t seed);

// Returns the metadata of a picture in a file, a pipe or standard input ("-"). Throws Error(usage) when it has none,
// Error(io) when it can't be read.
nlohmann::json read_metadata(const std::string& file);

// Returns the options that draw the picture of this metadata again, for --from.
Source source_of(const std::string& file, const nlohmann::json& metadata);

// Returns the text under `key`, or "".
std::string metadata_text(const nlohmann::json& metadata, const std::string& key);

// Prints a line for each entry, or the JSON. Throws what read_metadata() throws.
void run_info(const std::string& file, bool json);

}  // namespace glm::cli
