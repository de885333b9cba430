// The json files of a checkpoint: the input's first byte chooses which of them the rest stands for.
#include "engine/checkpoint/config.h"

#include <cstdlib>
#include <fstream>
#include <vector>

#include "glm/error.h"
#include "tests/fuzz/file.h"

namespace {

namespace fs = std::filesystem;

// A copy of a right checkpoint's json files, all of them links to the memory file in turn.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("glm_fuzz_config_" + std::to_string(getpid()));
  std::vector<fs::path> files;

  Folder() {
    const fs::path from = GLM_SOURCE_DIR "/tests/checkpoints/a";
    for (const char* part : {"model_index", "processor/preprocessor_config", "scheduler/scheduler_config",
                             "text_encoder/config", "transformer/config", "vae/config",
                             "vision_language_encoder/config", "vision_language_encoder/generation_config"}) {
      add(from, part + std::string(".json"));
    }
    add(GLM_SOURCE_DIR "/models/nano", "glm_image.json");
  }
  void add(const fs::path& from, const fs::path& file) {
    fs::create_directories((path / file).parent_path());
    fs::copy_file(from / file, path / file, fs::copy_options::overwrite_existing);
    files.push_back(file);
  }
  ~Folder() { fs::remove_all(path); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  if (size < 1) return -1;
  const fs::path file = folder.path / folder.files[data[0] % folder.files.size()];
  const fs::path kept = file.string() + ".kept";
  fs::rename(file, kept);
  fs::create_symlink(path_of(data + 1, size - 1), file);
  try {
    const glm::ModelConfig config(folder.path);
  } catch (const glm::Error&) {
  }
  fs::rename(kept, file);
  return 0;
}
