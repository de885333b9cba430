#include "cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/atomic_file.h"
#include "base/refuse.h"
#include "base/stoppable_writes.h"
#include "base/text.h"
#include "cli/file_names.h"
#include "glm/error.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kExists = ": exists already; -y replaces it, or choose another name";

// Returns the format that a file's name ends with, or an empty text for a name without an ending. Throws Error(usage)
// for another ending, unless `any`.
std::string format_of_name(const std::string& name, bool any) {
  const std::string ending = lower_case(fs::path(name).extension());
  if (ending == ".png") return "png";
  if (ending == ".jpg" || ending == ".jpeg") return "jpg";
  if (ending == ".webp") return "webp";
  if (any || ending.empty()) return "";
  refuse(ErrorCode::usage, "--output", "a name that ends with .png, .jpg, .jpeg or .webp, or has no ending", name,
         "or say what to write with --format");
}

PictureFormat format_of(const GenerateOptions& o) {
  const std::string named = format_of_name(o.output, /*any=*/!o.format.empty());
  if (!o.format.empty() && !named.empty() && o.format != named) {
    refuse(ErrorCode::usage, "--format", named + ", as the name " + o.output + " ends", o.format, "leave one out");
  }
  const std::string name = !o.format.empty() ? o.format : named;
  return name == "jpg" ? PictureFormat::jpeg : name == "webp" ? PictureFormat::webp : PictureFormat::png;
}

// Throws Error(io) when `file` exists and isn't to be replaced, or when it can't be written. A block device counts as a
// file, because it has contents to lose.
void check_output(const fs::path& file, bool overwrite) {
  std::error_code ignored;
  const fs::file_status status = fs::status(file, ignored);
  if (!overwrite && (fs::is_regular_file(status) || fs::is_block_file(status))) {
    throw Error(ErrorCode::io, file.string() + kExists);
  }
  check_place(file);
}

void check_standard_output() {
  if (::isatty(STDOUT_FILENO) == 1) refuse("-o -", "a file or a pipe as standard output", "a terminal");
  const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) refuse_to_write("standard output", "it is closed");
}

void write_standard_output(const std::vector<uint8_t>& bytes) {
  if (!write_to_reader(STDOUT_FILENO, "standard output", bytes)) {
    refuse_to_write("standard output", std::strerror(errno));
  }
}

// Writes a picture beside its file, under the first free one of the names FILE-2, FILE-3, … Returns the name.
fs::path keep_beside(const fs::path& file, const std::vector<uint8_t>& bytes) {
  for (int number = 2;; ++number) {
    fs::path other = numbered(file, number);
    if (write_new_file(other, bytes_writer(bytes))) return other;
  }
}

// Writes a picture into a new folder of the temporary folder, which only this user may open. Returns the file's name.
fs::path keep_in_temporary_folder(const fs::path& name, const std::vector<uint8_t>& bytes) {
  std::error_code failed;
  fs::path parent = fs::temp_directory_path(failed);
  if (failed) parent = "/tmp";
  std::string folder = parent / "glm-image-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) refuse_to_write(folder, std::strerror(errno));
  try {
    write_file(folder / name, bytes_writer(bytes));
  } catch (...) {
    ::rmdir(folder.c_str());
    throw;
  }
  return folder / name;
}

// problem: why the picture isn't in its file
Output::Place kept(const fs::path& file, const std::string& name, const std::string& problem,
                   const std::vector<uint8_t>& bytes) {
  const auto place = [&](const fs::path& other) {
    return Output::Place{other, problem + ". The picture is kept in " + other.string()};
  };
  std::error_code ignored;
  const fs::file_status status = fs::status(file, ignored);
  if (file != "-" && (!fs::exists(status) || fs::is_regular_file(status))) {  // nothing belongs beside a device
    try {
      return place(keep_beside(file, bytes));
    } catch (const Error&) {  // the whole folder or its disk can't be written
    }
  }
  try {
    return place(keep_in_temporary_folder(name, bytes));
  } catch (const Error& e) {
    throw Error(ErrorCode::io, problem + ". The picture is lost, because no other place can be written: " + e.what());
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

Output::Output(const GenerateOptions& o, const std::vector<uint64_t>& seeds)
    : format(format_of(o)), quality(o.quality), overwrite(o.overwrite) {
  FileSet all;
  if (o.output == "-" && seeds.size() == 1) {
    if (o.json) refuse("--json", "a file for the picture, because standard output has the JSON", "-o -");
    check_standard_output();
    files.emplace_back(o.output);
  } else {
    for (const uint64_t seed : seeds) {
      fs::path name = o.output;
      if (o.output.empty()) name = "glm-image-" + std::to_string(seed) + "." + picture_format_name(format);
      if (seeds.size() > 1) name = expanded(name, files.size() + 1, seed);
      if (std::find(files.begin(), files.end(), name) != files.end()) {
        refuse("--output",
               "a file of its own for each of " + std::to_string(seeds.size()) + " pictures (%d or %s in the name)",
               name.string() + " twice");
      }
      all.add("--output", name);
      check_output(name, o.overwrite);
      files.push_back(name);
    }
  }
  if (o.dump.empty()) return;
  if (o.dump == "-") refuse("--dump", "a file's name", "-");
  all.add("--dump", o.dump);
  check_output(o.dump, o.overwrite);
}

Output::Place Output::write(size_t picture, const std::vector<uint8_t>& bytes, const CancelToken& cancel) const {
  const StoppableWrites stoppable(&cancel);
  const fs::path& file = files.at(picture);
  std::string problem;
  std::string name = file.filename();
  try {
    if (file == "-") {
      name = "glm-image." + picture_format_name(format);
      write_standard_output(bytes);
    } else if (overwrite) {
      write_file(file, bytes_writer(bytes));
    } else if (!write_new_file(file, bytes_writer(bytes))) {
      problem = file.string() + ": another program has made this file meanwhile, and only -y replaces it";
    }
  } catch (const Error& e) {
    problem = e.what();
  }
  return problem.empty() ? Place{file, ""} : kept(file, name, problem, bytes);
}

}  // namespace glm::cli
