#include "cli/model.h"

#include <system_error>

#include "base/refuse.h"
#include "cli/before_main.h"
#include "glm/error.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

// Finds a model that comes with the program: beside the installed program, else in the source tree it was built from.
fs::path own_model(const std::string& name) {
  std::error_code ignored;
  fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (program.empty()) program = fs::canonical(started_as(), ignored);  // there is no /proc
  const fs::path installed = program.parent_path().parent_path() / "share/glm-image/models" / name;
  const fs::path source = fs::path(GLM_SOURCE_DIR) / "models" / name;
  for (const fs::path& folder : {installed, source}) {
    if (fs::exists(folder / "model_index.json", ignored)) return folder;
  }
  refuse(ErrorCode::model, "",
         "the model " + name + ", which comes with the program, in " + installed.string() + " or " + source.string(),
         "it in neither", "give a checkpoint's folder with -m");
}

}  // namespace

fs::path model_of(const std::string& text) {
  if (text.empty()) return own_model("nano");
  return text == "random:public" ? fs::path("random:" + own_model("public").string()) : fs::path(text);
}

std::string model_name(const fs::path& model) {
  std::error_code no_folder;  // where the working folder has been removed, a path stays as it was given
  const fs::path whole = fs::absolute(model, no_folder);
  const fs::path path = (no_folder ? model : whole).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

LoadOptions load_options(const GenerateOptions& options, const CancelToken& cancel) {
  return {.dtype = options.dtype,
          .device = options.device,
          .precision = options.precision,
          .kernels = options.kernels,
          .look_ahead = options.look_ahead,
          .threads = options.threads,
          .cancel = &cancel};
}

}  // namespace glm::cli
