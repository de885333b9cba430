// Reads files from the first byte to the last, once. In the same pass it hashes them and looks at each tensor's
// numbers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/checkpoint/safetensors.h"

namespace glm {

class CancelToken;

struct FileToScan {
  std::filesystem::path path;
  const SafetensorsFile* weights = nullptr;  // whose numbers are looked at; null: the file has none
  bool sha256 = false;                       // which hashes are wanted
  bool git_name = false;
};

// What reading all of a tensor has shown.
struct ScannedTensor {
  bool zeros = true;        // every byte is 0; an empty tensor has none, and isn't all zeros
  uint64_t not_finite = 0;  // how many numbers are infinite or NaN
  uint64_t begin = 0;       // the file's bytes from the first such number on
  uint64_t end = 0;         // up to the last one's end
  // Of the scales and zeros of quantised weights, and of no other tensor:
  double most = 0;     // the largest magnitude; infinite or NaN where one isn't finite
  bool eights = true;  // every byte is kEights (coded_layout.h)
};

struct ScannedFile {
  std::string problem;   // why it couldn't be read to its end, or ""
  uint64_t bytes = 0;    // that were read
  std::string sha256;    // where it was wanted and there is no problem
  std::string git_name;  // likewise
  std::map<std::string, ScannedTensor> tensors;
};

// Scans the files on as many threads as there are cores, and returns what it found in their order. progress: is called
// on the caller's thread with the bytes that are done and all there are, about ten times a second; may be null. Throws
// Error(cancelled) when the token is set, which may be null, and what `progress` throws.
std::vector<ScannedFile> scan_files(const std::vector<FileToScan>& files,
                                    const std::function<void(int64_t done, int64_t total)>& progress,
                                    const CancelToken* cancel);

}  // namespace glm
