// What a picture says of how it was made, and `glm-image info`.
#pragma once

#include <filesystem>
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
  std::string precision;  // of the prior
  std::string model;      // its folder's name
  std::string model_hash;
  std::vector<std::string> reference_hashes;  // SHA-256 of the files
};

PictureText text_of(const Making& making, uint64_t seed);

// The metadata of a picture's file. Error(usage) for a picture without, Error(io) for a file that can't be read.
nlohmann::json read_metadata(const std::filesystem::path& file);

// The same as options, for --from. references: what the picture was drawn from.
Source source_of(const std::filesystem::path& file, const nlohmann::json& metadata);

// The text under `key`, or "".
std::string metadata_text(const nlohmann::json& metadata, const std::string& key);

// Prints a line for each entry, or the JSON.
void run_info(const std::filesystem::path& file, bool json);

}  // namespace glm::cli
