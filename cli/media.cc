#include "cli/media.h"

#include <array>
#include <ctime>
#include <nlohmann/json.hpp>
#include <system_error>
#include <vector>

#include "base/json.h"
#include "base/refuse.h"
#include "cli/file_names.h"
#include "cli/report.h"
#include "cli/sources.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/values.h"
#include "glm/media.h"

namespace glm::cli {
namespace {

using nlohmann::ordered_json;

// "2026-11-28 17:05", in the user's time zone.
std::string time_text(int64_t seconds) {
  if (seconds == 0) return "never";
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  std::array<char, 32> text{};
  if (::localtime_r(&time, &parts) == nullptr) return std::to_string(seconds);
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M", &parts);
  return text.data();
}

void list(const std::vector<MediaPicture>& pictures) {
  std::vector<std::vector<std::string>> rows = {{"FILE", "KIND", "MADE", "EXPIRES", "BYTES"}};
  for (const MediaPicture& picture : pictures) {
    rows.push_back({printable(picture.file), picture.uploaded ? "upload" : "result", time_text(picture.made),
                    time_text(picture.expires), std::to_string(picture.bytes)});
  }
  print_table(rows);
}

void list_json(const std::vector<MediaPicture>& pictures) {
  ordered_json all = ordered_json::array();
  for (const MediaPicture& picture : pictures) {
    ordered_json one = {{"imageUUID", picture.uuid},
                        {"file", picture.file.string()},
                        {"kind", picture.uploaded ? "upload" : "result"},
                        {"bytes", picture.bytes},
                        {"made", picture.made}};
    if (!is_utf8(picture.file)) one["file_base64"] = bytes_of_name(picture.file);
    if (picture.expires != 0) one["expires"] = picture.expires;
    if (!picture.task.empty()) one["taskUUID"] = picture.task;
    all.push_back(std::move(one));
  }
  print_json(json_text(all));
}

}  // namespace

void run_media(const std::string& action, const Values& given) {
  one_of("media", action, {"list", "prune"});
  const Command& command = command_of("media");
  const GenerateOptions options = merged(command, sources_of(command, given));
  print_warnings(warnings_about_sources(command));
  const std::filesystem::path folder =
      options.media.empty() ? default_media_folder() : std::filesystem::path(options.media);
  if (std::error_code failed; !options.media.empty() && !std::filesystem::exists(folder, failed)) {
    refuse(ErrorCode::io, folder.string(), "the folder of a media store", "none");
  }
  if (folder.empty()) refuse("--media", "a folder's name, as no home folder is known", "none");
  if (action == "prune") {
    const size_t deleted = prune_media(folder);
    if (options.json) return print_json(json_text(ordered_json{{"deleted", deleted}}));
    return print(std::to_string(deleted) + (deleted == 1 ? " picture" : " pictures") + " deleted\n");
  }
  const std::vector<MediaPicture> pictures = media_pictures(folder);
  return options.json ? list_json(pictures) : list(pictures);
}

}  // namespace glm::cli
