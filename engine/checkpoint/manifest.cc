#include "engine/checkpoint/manifest.h"

#include <algorithm>
#include <string_view>
#include <system_error>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr size_t kDigits = 64;

bool is_hash(const std::string& text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// sha256sum writes a name with such a character behind a line's first \, and the character as \n and the like.
std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if (c == '\\' || c == '\n' || c == '\r') text += '\\';
    text += c == '\n' ? 'n' : c == '\r' ? 'r' : c;
  }
  return text;
}

std::string unescaped(const std::string& text) {
  std::string name;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool begins = text[i] == '\\' && i + 1 < text.size();
    const char c = begins ? text[++i] : text[i];
    name += begins && c == 'n' ? '\n' : begins && c == 'r' ? '\r' : c;
  }
  return name;
}

bool stays_within(const fs::path& name) {
  return !name.empty() && name.is_relative() && std::find(name.begin(), name.end(), "..") == name.end();
}

std::string in_quotes(const std::string& text) {
  std::string result(1, '"');
  result += shortened(text, 80);
  return result + '"';
}

// Adds what a line says. where: the file and the line, for messages.
void add_line(Manifest& manifest, std::string_view line, const std::string& where) {
  const bool special = line.front() == '\\';
  if (special) line.remove_prefix(1);
  const std::string hash = lower_case(std::string(line.substr(0, kDigits)));
  const bool fits = is_hash(hash, kDigits) && line.size() > kDigits + 2 && line[kDigits] == ' ' &&
                    (line[kDigits + 1] == ' ' || line[kDigits + 1] == '*');
  if (!fits) {
    refuse(ErrorCode::model, where, "a SHA-256, two spaces and a file's name, as sha256sum writes them",
           in_quotes(std::string(line)), "give another list with --manifest");
  }
  const std::string written(line.substr(kDigits + 2));
  const fs::path name = fs::path(special ? unescaped(written) : written).lexically_normal();
  if (!stays_within(name)) refuse(ErrorCode::model, where, "the name of a file in the folder", in_quotes(written));
  manifest[name.string()] = hash;
}

}  // namespace

Manifest read_manifest(const fs::path& file) {
  constexpr uint64_t most = 64 << 20;  // bytes
  const std::string text = read_file(file, most);
  Manifest manifest;
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    add_line(manifest, line, file.string() + ": line " + std::to_string(number));
  }
  if (manifest.empty()) refuse(ErrorCode::model, file.string(), "lines as sha256sum writes them", "none");
  return manifest;
}

std::string manifest_text(const Manifest& manifest) {
  std::string text;
  for (const auto& [name, hash] : manifest) {
    const std::string written = escaped(name);
    if (written != name) text += '\\';
    text.append(hash).append("  ").append(written).append("\n");
  }
  return text;
}

std::string blob_name(const fs::path& file) {
  std::error_code none;
  if (!fs::is_symlink(file, none)) return "";
  const fs::path target = behind_links(file);
  const std::string name = target.filename().string();
  if (target.parent_path().filename() != "blobs") return "";
  return is_hash(name, kDigits) || is_hash(name, 40) ? name : "";
}

}  // namespace glm
