// Writes pictures to a media store as fast as it can, and prints each one's UUID and length once it is kept.
//   media_writer FOLDER COUNT BYTES
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "base/uuid.h"
#include "media/store.h"

int main(int, char** arguments) {
  try {
    glm::MediaStore store(arguments[1]);
    const long count = std::stol(arguments[2]);
    const long bytes = std::stol(arguments[3]);
    for (long i = 0; i < count; ++i) {
      glm::StoredTask task{.uuid = glm::new_uuid(), .pictures = {glm::new_uuid(), glm::new_uuid()}};
      if (!store.claim(task)) return 2;
      for (const std::string& uuid : task.pictures) {
        const auto letter = static_cast<uint8_t>(uuid[0]);
        store.add(task, uuid, "png", std::vector<uint8_t>(static_cast<size_t>(bytes), letter));
        std::printf("%s %s\n", uuid.c_str(), task.uuid.c_str());
        std::fflush(stdout);
      }
      task.finished = true;
      task.content = "done";
      store.save(task);
      std::printf("done %s\n", task.uuid.c_str());
      std::fflush(stdout);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
