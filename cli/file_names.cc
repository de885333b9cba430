#include "cli/file_names.h"

#include <unistd.h>

#include <algorithm>

#include "base/atomic_file.h"
#include "base/base64.h"
#include "base/refuse.h"
#include "base/text.h"
#include "cli/characters.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

constexpr size_t kLongestName = 255;  // bytes of a file's name on nearly all file systems

// Returns the number in at least `digits` digits. digits: such as "03", or empty
std::string digits_of(size_t number, const std::string& digits) {
  std::string text = std::to_string(number);
  const size_t width = digits.empty() ? 0 : static_cast<size_t>(std::stoi(digits));
  if (text.size() < width) text.insert(0, width - text.size(), digits[0] == '0' ? '0' : ' ');
  return text;
}

}  // namespace

bool is_utf8(const fs::path& file) {
  return first_foreign_byte(file.string()) == std::string::npos;
}

std::string bytes_of_name(const fs::path& file) {
  return base64(as_bytes(file.native()));
}

std::string expanded(const std::string& pattern, size_t number, uint64_t seed) {
  std::string name;
  for (size_t at = 0; at < pattern.size(); ++at) {
    size_t end = at + 1;  // where the letter after the % and its digits stands
    while (end < pattern.size() && end < at + 3 && pattern[end] >= '0' && pattern[end] <= '9') ++end;
    const char letter = pattern[at] == '%' && end < pattern.size() ? pattern[end] : '\0';
    const bool bare = end == at + 1;
    if (letter == 'd') {
      name += digits_of(number, pattern.substr(at + 1, end - at - 1));
    } else if (letter == 's' && bare) {
      name += std::to_string(seed);
    } else if (letter == '%' && bare) {
      name += '%';
    } else {
      name += pattern[at];
      continue;
    }
    at = end;
  }
  return name;
}

fs::path numbered(const fs::path& file, int number) {
  std::string ending("-");
  ending += std::to_string(number) + file.extension().string();
  const std::string stem = file.stem();
  const size_t room = kLongestName - std::min(kLongestName, ending.size());
  return file.parent_path() / (stem.substr(0, whole_characters(stem, room)) + ending);
}

void FileSet::add(const std::string& option, const fs::path& file) {
  struct stat status {};
  Identity identity;
  if (::stat(file.c_str(), &status) == 0) {
    if (S_ISCHR(status.st_mode)) return;
    identity = {status.st_dev, status.st_ino, ""};
  } else {
    const fs::path target = behind_links(file);
    const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
    if (::stat(folder.c_str(), &status) != 0) return;  // it can't be written, which is told elsewhere
    identity = {status.st_dev, status.st_ino, target.filename()};
  }
  struct stat output {};
  if (::fstat(STDOUT_FILENO, &output) == 0 && identity == Identity{output.st_dev, output.st_ino, ""}) {
    refuse(option, "a file", "standard output, which has the results: " + file.string());
  }
  const auto [earlier, is_new] = names_.emplace(identity, file);
  if (is_new) return;
  const std::string same = earlier->second == file ? "" : ", which is " + earlier->second.string();
  refuse(option, "a file of its own", file.string() + same + " again");
}

}  // namespace glm::cli
