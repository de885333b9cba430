#include "cli/input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string_view>
#include <utility>

#include "base/file_kind.h"
#include "base/refuse.h"
#include "cli/characters.h"
#include "glm/error.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMostPictureBytes = uint64_t{256} << 20;
constexpr uint64_t kMostPromptBytes = 1 << 20;  // far more than a model reads

// Finds UTF-16 or UTF-32 without a byte order mark by its zeros: most characters are below U+0100.
std::string wide_encoding(const std::string& bytes) {
  std::array<size_t, 2> zeros{};  // at even places, at odd ones
  for (size_t at = 0; at < bytes.size(); ++at) zeros.at(at % 2) += bytes[at] == '\0' ? 1 : 0;
  if (bytes.size() % 2 != 0 || 4 * std::max(zeros[0], zeros[1]) <= bytes.size()) return "";
  return 2 * (zeros[0] + zeros[1]) > bytes.size() ? "UTF-32" : "UTF-16";
}

// Returns what a text is written in where that isn't UTF-8, else "".
std::string foreign_encoding(const std::string& bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\xFF\xFE\0\0"sv) || bytes.starts_with("\0\0\xFE\xFF"sv)) return "UTF-32";
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF")) return "UTF-16";
  if (bytes.starts_with("\x84\x31\x95\x33")) return "GB18030";
  if (std::string wide = wide_encoding(bytes); !wide.empty()) return wide;
  if (bytes.find("\x1B$") != std::string::npos) return "ISO-2022";
  const size_t at = first_foreign_byte(bytes);
  if (at == std::string::npos) return "";
  return "another encoding, such as Latin-1, Windows-1252, Shift-JIS or GBK (byte " + std::to_string(at + 1) + ")";
}

void check_utf8(const std::string& what, const std::string& bytes) {
  const std::string found = foreign_encoding(bytes);
  if (found.empty()) return;
  if (const FileKind kind = file_kind(bytes); !kind.name.empty()) {
    refuse(ErrorCode::usage, what, "text in UTF-8", kind.name, kind.advice);
  }
  refuse(ErrorCode::usage, what, "text in UTF-8", found, "save it as UTF-8, or convert it with iconv -t UTF-8");
}

}  // namespace

bool is_standard_input(const std::string& name) {
  return name == "-" || name == "/dev/stdin" || name == "/dev/fd/0" || name == "/proc/self/fd/0";
}

void check_standard_input(const std::vector<std::string>& names) {
  const auto count = std::count_if(names.begin(), names.end(), is_standard_input);
  if (count > 1) refuse("standard input", "one prompt, picture or file from it", std::to_string(count));
}

std::string input_name(const std::string& name) {
  return name == "-" ? "standard input" : name;
}

FileContents read_input(const std::string& name, uint64_t most) {
  std::error_code ignored;
  if (name != "-" && fs::is_regular_file(name, ignored)) return read_whole_file(name, most);
  using Problem = FileContents::Problem;
  FileContents contents;
  contents.problem = Problem::missing;
  std::ifstream file;
  if (name != "-") {
    if (fs::is_directory(name, ignored)) return contents;
    file.open(name, std::ios::binary);
    if (!file) return contents;
  }
  std::istream& in = name == "-" ? std::cin : file;
  std::string part(size_t{1} << 16, '\0');
  while (in && contents.bytes.size() <= most) {
    in.read(part.data(), static_cast<std::streamsize>(part.size()));
    contents.bytes.append(part, 0, static_cast<size_t>(in.gcount()));
  }
  contents.size = contents.bytes.size();
  contents.problem = in.bad() ? Problem::unreadable : contents.size > most ? Problem::too_large : Problem::none;
  if (contents.problem != Problem::none) contents.bytes.clear();
  return contents;
}

std::string what_is_there(const std::string& name) {
  std::error_code failed;
  if (name == "-") return "an error";
  if (fs::is_directory(name, failed)) return "a folder";
  const int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (descriptor >= 0) {
    ::close(descriptor);
    return "an error in reading it";
  }
  if (errno != ENOENT) return "one that can't be opened (" + std::string(std::strerror(errno)) + ")";
  return fs::is_symlink(name, failed) ? "a link that leads nowhere" : "none";
}

std::string read_picture_bytes(const std::string& name) {
  const std::string shown = input_name(name);
  std::error_code ignored;
  const bool endless = is_standard_input(name) ? ::isatty(STDIN_FILENO) == 1 : fs::is_character_file(name, ignored);
  if (endless) refuse(ErrorCode::io, shown, "a picture to read", "a terminal or another device");
  FileContents contents = read_input(name, kMostPictureBytes);
  switch (contents.problem) {
    case FileContents::Problem::none:
      return std::move(contents.bytes);
    case FileContents::Problem::too_large:
      refuse(shown, "a picture file of at most 256 MiB", "a larger one");
    case FileContents::Problem::missing:
    case FileContents::Problem::unreadable:
      break;
  }
  refuse(ErrorCode::io, shown, "a picture to read", what_is_there(name), "check its name and permissions");
}

std::string without_marks(const std::string& bytes) {
  const std::string_view mark = "\xEF\xBB\xBF";
  std::string_view rest = bytes;
  while (rest.starts_with(mark)) rest.remove_prefix(mark.size());
  while (!rest.empty() && std::string_view("\r\n\x1A").find(rest.back()) != std::string_view::npos)
    rest.remove_suffix(1);
  std::string text;
  for (const char c : rest) {
    if (c == '\n') text.resize(text.find_last_not_of('\r') + 1);
    text += c;
  }
  return text;
}

std::string text_of(const std::string& what, const std::string& bytes) {
  check_utf8(what, bytes);
  const size_t nul = bytes.find('\0');
  if (nul == std::string::npos) return without_marks(bytes);
  refuse(what, "a text", "a NUL in it (byte " + std::to_string(nul + 1) + ")");
}

std::string read_prompt(const std::string& name) {
  const FileContents contents = read_input(name, kMostPromptBytes);
  switch (contents.problem) {
    case FileContents::Problem::none:
      return text_of(input_name(name), contents.bytes);
    case FileContents::Problem::too_large:
      refuse(input_name(name), "a prompt of at most 1 MiB", "more");
    case FileContents::Problem::missing:
    case FileContents::Problem::unreadable:
      break;
  }
  refuse(ErrorCode::io, input_name(name), "a prompt to read", what_is_there(name), "check its name and permissions");
}

}  // namespace glm::cli
