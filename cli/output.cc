#include "cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/atomic_file.h"
#include "base/refuse.h"
#include "glm/error.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

// Returns the format that a file's name ends with, or an empty text.
std::string format_of_name(const std::string& name) {
  std::string ending = fs::path(name).extension();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  if (ending == ".png") return "png";
  if (ending == ".jpg" || ending == ".jpeg") return "jpg";
  return ending == ".webp" ? "webp" : "";
}

PictureFormat format_of(const GenerateOptions& o) {
  const std::string named = format_of_name(o.output);
  if (!o.format.empty() && !named.empty() && o.format != named) {
    refuse(ErrorCode::usage, "--format", named + ", as the name " + o.output + " ends", o.format, "leave one out");
  }
  const std::string name = !o.format.empty() ? o.format : named;
  return name == "jpg" ? PictureFormat::jpeg : name == "webp" ? PictureFormat::webp : PictureFormat::png;
}

std::string replaced(std::string name, const std::string& mark, const std::string& value) {
  for (size_t at = name.find(mark); at != std::string::npos; at = name.find(mark, at + value.size())) {
    name.replace(at, mark.size(), value);
  }
  return name;
}

void write_standard_output(const std::vector<uint8_t>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) refuse_to_write("standard output", std::strerror(errno));
    done += static_cast<size_t>(n);
  }
}

}  // namespace

std::string picture_format_name(PictureFormat format) {
  switch (format) {
    case PictureFormat::png:
      return "png";
    case PictureFormat::jpeg:
      return "jpg";
    case PictureFormat::webp:
      return "webp";
  }
  return "";
}

void check_place(const fs::path& file, bool overwrite) {
  std::error_code ignored;
  const fs::file_status status = fs::status(file, ignored);
  if (fs::is_directory(status)) refuse(ErrorCode::io, file.string(), "a file to write", "a folder");
  if (fs::is_regular_file(status) && !overwrite) {
    throw Error(ErrorCode::io, file.string() + ": exists already; -y replaces it, or choose another name");
  }
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, ignored)) {
    throw Error(ErrorCode::io, file.string() + ": can't be written, because there is no folder " + folder.string() +
                                   "; make it first");
  }
  // A device or a pipe is written itself. A file is replaced, for which its folder has to be writable.
  const fs::path written = fs::exists(status) && !fs::is_regular_file(status) ? file : folder;
  if (::access(written.c_str(), W_OK) != 0) refuse_to_write(file, std::strerror(errno));
}

Output::Output(const GenerateOptions& o, const std::vector<uint64_t>& seeds)
    : format(format_of(o)), quality(o.quality) {
  const std::string pattern = o.output.empty() ? "glm-image-%s." + picture_format_name(format) : o.output;
  if (pattern == "-" && seeds.size() == 1) {
    if (o.json) refuse("--json", "a file for the picture, because standard output has the JSON", "-o -");
    if (::isatty(STDOUT_FILENO) == 1) {
      refuse("-o -", "a file or a pipe as standard output", "a terminal");
    }
    files.emplace_back(pattern);
    return;
  }
  for (const uint64_t seed : seeds) {
    const std::string number = std::to_string(files.size() + 1);
    const fs::path name = replaced(replaced(pattern, "%d", number), "%s", std::to_string(seed));
    if (std::find(files.begin(), files.end(), name) != files.end()) {
      refuse("--output",
             "a file of its own for each of " + std::to_string(seeds.size()) + " pictures (%d or %s in the name)",
             name.string() + " twice");
    }
    check_place(name, o.overwrite);
    files.push_back(name);
  }
}

void Output::write(size_t picture, const std::vector<uint8_t>& bytes) const {
  const fs::path& file = files.at(picture);
  if (file == "-") {
    write_standard_output(bytes);
    return;
  }
  write_file(file, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  });
}

}  // namespace glm::cli
