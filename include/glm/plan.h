// What a request would take, known without its weights.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "glm/request.h"

namespace glm {

struct Plan {
  std::string device, dtype, precision;  // precision: of all components, as whole_precision() says
  Details details;
  int64_t grid_width, grid_height;        // tokens of the picture's grid
  int64_t preview_width, preview_height;  // of the small grid that is written before it; 0 with references: none is
  int64_t tokens;                         // that the prior writes for one picture
  double weight_bytes;                    // of all weights, as they lie in the device's memory
  double working_bytes;                   // what the call needs beside the weights, at least
  int64_t free_bytes;                     // of the device's memory now; -1: unknown
  // How long all pictures take, without loading. If this model was run here before, it is predicted from those runs.
  // Otherwise it is estimated from a few small products.
  double seconds;
};

// Returns what a call of generate() would take. Reads the headers of the weights' files, and so finds a file that is
// missing or cut short, but reads no weights. Measures the device for a moment. Throws Error(model), Error(device) and
// Error(usage) as Pipeline does, but no Error(memory) where there is too little. Thread safe.
GLM_API Plan plan(const std::filesystem::path& checkpoint, const LoadOptions& options, const Request& request);

// Returns the texts that a prompt names in quotes, in the order in which they are encoded. Thread safe.
GLM_API std::vector<std::string> quoted_texts(const std::string& prompt);

// Returns the texts that a prompt has in other marks („…“, «…», ‘…’, 『…』 and so on), between two that don't belong
// together (“…", „…"), or behind one that nothing closes ("…). Upstream's pipeline doesn't read these as quotes, and so
// they aren't drawn as text: give them as Request::texts. Thread safe.
GLM_API std::vector<std::string> unread_texts(const std::string& prompt);

// Returns 64 hexadecimal digits that tell checkpoints apart. They are the SHA-256 of each json and safetensors file's
// name, size, first MiB and 64 samples of the rest, so that it takes no time. Of random weights only the json files
// count. Throws Error(model) naming the file that can't be read. Thread safe.
GLM_API std::string checkpoint_hash(const std::filesystem::path& checkpoint);

}  // namespace glm
