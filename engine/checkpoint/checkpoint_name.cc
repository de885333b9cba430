#include "engine/checkpoint/checkpoint_name.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "base/json.h"
#include "base/read_file.h"
#include "base/refuse.h"
#include "base/text.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

bool is_checkpoint(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "model_index.json", ignored);
}

// Returns the snapshot that refs/main of a repository in a download cache names, or the folder itself.
fs::path followed(const fs::path& folder) {
  constexpr uint64_t most = 256;  // bytes; it holds a commit's hash
  if (is_checkpoint(folder)) return folder;
  std::string commit = read_whole_file(folder / "refs" / "main", most).bytes;
  commit.resize(commit.find_last_not_of(" \r\n") + 1);
  if (commit.empty() || commit.find_first_not_of("0123456789abcdef") != std::string::npos) return folder;
  const fs::path snapshot = folder / "snapshots" / commit;
  return is_checkpoint(snapshot) ? snapshot : folder;
}

// Returns the folder above, if that is a checkpoint, or the first checkpoint below, or nothing.
fs::path checkpoint_near(const fs::path& folder) {
  constexpr int most_entries = 10'000;  // looked at
  const fs::path given = folder.lexically_normal();
  fs::path above = (given.has_filename() ? given : given.parent_path()).parent_path();
  if (!above.empty() && is_checkpoint(above)) return above;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  std::vector<fs::path> found;
  for (int seen = 0; !error && at != fs::recursive_directory_iterator() && seen < most_entries; ++seen) {
    if (at->path().filename() == "model_index.json") found.push_back(at->path().parent_path());
    if (at.depth() >= 4) at.disable_recursion_pending();  // hub/models--NAME/snapshots/COMMIT/model_index.json
    at.increment(error);
  }
  return found.empty() ? fs::path() : *std::min_element(found.begin(), found.end());
}

}  // namespace

CheckpointName::CheckpointName(const fs::path& checkpoint) {
  const std::string prefix = "random:";
  const std::string text = checkpoint.string();
  random = text.starts_with(prefix);
  folder = followed(random ? fs::path(text.substr(prefix.size())) : checkpoint);
}

bool looks_like_checkpoint(const fs::path& folder) {
  const auto is_there = [&](const char* part) {
    std::error_code none;
    return fs::is_directory(folder / part, none);
  };
  return is_present(folder / "model_index.json") ||
         std::any_of(std::begin(kComponentFolders), std::end(kComponentFolders), is_there);
}

void check_checkpoint(const fs::path& folder) {
  const fs::path file = folder / "model_index.json";
  std::error_code ignored, problem;
  static_cast<void>(fs::symlink_status(file, problem));
  if (problem == std::errc::permission_denied) {
    refuse(ErrorCode::model, folder.string(), "a checkpoint folder that may be entered", "a closed one",
           "give the user that runs this the permission to enter it");
  }
  if (!is_present(file)) {
    const fs::path near = checkpoint_near(folder);
    const std::string advice =
        near.empty() ? "give the folder of a GLM-Image checkpoint" : "did you mean " + near.string() + "?";
    if (!fs::exists(folder, ignored)) throw Error(ErrorCode::model, folder.string() + ": no such folder; " + advice);
    refuse(ErrorCode::model, folder.string(), "a checkpoint folder with model_index.json",
           fs::is_directory(folder, ignored) ? "none" : "a file", advice);
  }
  const json index = read_json(file);
  const json found = index.is_object() ? index.value("_class_name", json()) : json();
  if (found != "GlmImagePipeline") {
    refuse(ErrorCode::model, file.string(), "a checkpoint of GlmImagePipeline",
           "one of " + (found.is_string() ? shortened(found.get<std::string>(), 60) : "another kind"),
           "give the folder of a GLM-Image checkpoint");
  }
}

}  // namespace glm
