// Which programs are at work on a store. Each holds the lock of a file, which the system frees when the program ends.
#pragma once

#include <filesystem>
#include <string>

#include "base/process_mark.h"

namespace glm {

class Session {
 public:
  // Makes a file with a new name in the folder, which has to exist, and locks it. Throws Error(io).
  explicit Session(const std::filesystem::path& folder);
  ~Session();  // in a child that was forked, the session goes on
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& name() const { return name_; }
  // Says whether the program whose session has this name is still at work on the store.
  bool sees(const std::string& name) const;

 private:
  ProcessMark process_;
  std::filesystem::path folder_;
  std::filesystem::path file_;
  std::string name_;
  int descriptor_ = -1;
};

// Deletes the files of sessions that have ended.
void sweep_sessions(const std::filesystem::path& folder);

}  // namespace glm
