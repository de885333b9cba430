// Which tensors a checkpoint should hold. The components say it themselves: they are built without memory, and what
// they ask for is noted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/checkpoint/config.h"

namespace glm {

// The tensors of one of a checkpoint's folders.
struct ExpectedTensors {
  std::map<std::string, std::vector<int64_t>> shapes;  // by the tensors' names
  std::map<std::string, std::string> other_names;      // a tensor's name -> the one that it may have instead
  std::vector<std::string> unread;                     // begins of names that may be there, too, and that nothing reads

  // Does the model leave a tensor of this name unread?
  bool leaves(const std::string& name) const;
};

// Returns the tensors by their folders' names, such as "transformer".
std::map<std::string, ExpectedTensors> expected_tensors(const ModelConfig& config);

}  // namespace glm
