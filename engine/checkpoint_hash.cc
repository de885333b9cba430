#include <ATen/ATen.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/sha256.h"
#include "engine/boundary.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "glm/error.h"
#include "glm/plan.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void refuse_to_read(const fs::path& file, const std::string& reason) {
  throw Error(ErrorCode::model, file.string() + ": can't be read (" + reason + "); is the checkpoint complete?");
}

// Returns every path in `folder` and in its folders that ends in .json or .safetensors, sorted. Paths that are no files
// are listed, too, so that add_file() refuses them. Links are followed, to folders as well, and nothing is said of
// where they lead: a download cache has each file as a link.
std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  fs::recursive_directory_iterator at(folder, fs::directory_options::follow_directory_symlink);
  for (; at != fs::recursive_directory_iterator(); ++at) {
    const std::string kind = at->path().extension();
    if (kind == ".json" || kind == ".safetensors") files.push_back(at->path());
    if (at.depth() > 0) at.disable_recursion_pending();  // a checkpoint has no folders within folders
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Adds a file's size, its first MiB, and 64 samples of the rest.
void add_file(Sha256* hash, const fs::path& file) {
  constexpr uint64_t head = 1 << 20;
  constexpr uint64_t sample = 4096;
  if (!fs::is_regular_file(file)) refuse_to_read(file, "it is no regular file");
  const uint64_t size = fs::file_size(file);
  hash->add(std::to_string(size) + "\n");
  std::ifstream in(file, std::ios::binary);
  if (!in) refuse_to_read(file, std::strerror(errno));
  std::vector<char> part(head);
  const auto add = [&](uint64_t at, uint64_t length) {
    in.seekg(static_cast<std::streamoff>(at));
    in.read(part.data(), static_cast<std::streamsize>(length));
    if (static_cast<uint64_t>(in.gcount()) != length) refuse_to_read(file, "it ends early");
    hash->add({reinterpret_cast<const uint8_t*>(part.data()), static_cast<size_t>(in.gcount())});
  };
  add(0, std::min(size, head));
  if (size <= head) return;
  const uint64_t rest = size - head;
  for (uint64_t i = 0; i < 64; ++i) {
    const uint64_t at = head + rest / 64 * i;
    add(at, std::min(sample, size - at));
  }
}

std::string hash_of(const CheckpointName& name) {
  try {
    Sha256 hash;
    if (name.random) hash.add("random\n");
    for (const fs::path& file : files_of(name.folder)) {
      if (name.random && file.extension() != ".json") continue;
      hash.add(file.lexically_relative(name.folder).string() + "\n");
      add_file(&hash, file);
    }
    return hash.hex();
  } catch (const fs::filesystem_error& e) {
    refuse_to_read(e.path1().empty() ? name.folder : e.path1(), e.code().message());
  }
}

}  // namespace

std::string checkpoint_hash(const fs::path& checkpoint) {
  return guarded(at::kCPU, [&] { return hash_of(CheckpointName(checkpoint)); });
}

}  // namespace glm
