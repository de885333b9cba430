// What a request would take, known from a checkpoint's json files alone. Public; no LibTorch type.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "glm/request.h"

namespace glm {

struct Plan {
  std::string device, dtype;
  Details details;
  int64_t grid_width, grid_height;        // of the picture's tokens
  int64_t preview_width, preview_height;  // of the small grid before it; 0: none, with references
  int64_t tokens;                         // of one picture
  double weight_bytes;                    // of the checkpoint as it is computed with
  double working_bytes;                   // beside it, of the call, at least
  int64_t free_bytes;                     // of the device's memory now
  double seconds;                         // of all pictures, without loading: of a few small products measured now
};

// Throws Error(model), Error(device), Error(usage) as Pipeline does; memory isn't checked.
GLM_API Plan plan(const std::filesystem::path& checkpoint, const LoadOptions& options, const Request& request);

// The texts that a prompt names in quotes, in the order in which they are encoded.
GLM_API std::vector<std::string> quoted_texts(const std::string& prompt);

// Tells checkpoints apart: SHA-256 of the json files and, of the weights, of headers, sizes and 64 samples of each
// file, so that it takes no time. 64 hexadecimal digits; Error(model) when it can't be read.
GLM_API std::string checkpoint_hash(const std::filesystem::path& checkpoint);

}  // namespace glm
