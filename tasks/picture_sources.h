// Finds the pictures that tasks name: in the task itself, in the media store, and on other machines.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "glm/cancel.h"
#include "media/store.h"
#include "network/network.h"

namespace glm::tasks {

class PictureSources {
 public:
  // All outlive it. `cancel` may be null.
  PictureSources(const Network& network, std::function<MediaStore&()> store, const CancelToken* cancel);

  struct Found {
    std::shared_ptr<const std::vector<uint8_t>> bytes;  // null where there is a problem
    std::string code = {};                              // of the problem; "invalid" stands for that of the field
    std::string problem = {};
  };
  // Returns the bytes behind a UUID, a web address, base64 or a data URI. Each address is asked once. Throws
  // Error(cancelled).
  Found find(const std::string& text);

 private:
  Found stored(const std::string& uuid) const;
  Found fetched(const std::string& address) const;

  const Network& network_;
  std::function<MediaStore&()> store_;
  const CancelToken* cancel_;
  std::map<std::string, Found> found_;  // by their UUIDs and addresses
  size_t bytes_ = 0;                    // of all that were found
};

}  // namespace glm::tasks
