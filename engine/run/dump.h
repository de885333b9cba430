// Collects the stage tensors of a run and writes them to a file.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "engine/components/layers/tap.h"
#include "glm/cancel.h"

namespace glm {

class Dump {
 public:
  Dump() = default;  // collects nothing
  // replace: whether a file that exists is replaced. Throws Error(io) when the file can't be written, as far as that
  // can be seen without touching it.
  Dump(std::filesystem::path file, Tap::Level level, bool replace);

  // Returns a tap that collects what it is handed. It may be used as long as this object lives.
  Tap tap();

  // Writes the collected tensors, with `json` in the header, whole or not at all. A tensor that is the same in all
  // pictures is written once; otherwise the pictures' tensors are joined along the first dimension. Without a file it
  // does nothing. The token, which may be null, ends the wait for a pipe's reader. Throws Error(io), also when there is
  // a file by now that isn't to be replaced.
  void write(const std::string& json, const CancelToken* cancel) const;

 private:
  std::filesystem::path file_;
  Tap::Level level_ = Tap::Level::stages;
  bool replace_ = true;
  std::map<std::string, std::vector<at::Tensor>> tensors_;
};

}  // namespace glm
