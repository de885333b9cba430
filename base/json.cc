#include "base/json.h"

#include <algorithm>
#include <fstream>
#include <vector>

#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

std::string json_text(const json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

json parse_json(std::string_view text, const std::string& source, int max_depth) {
  // nlohmann-json takes a NUL for the end and would not look at what follows.
  if (text.find('\0') != std::string_view::npos) {
    throw Error(ErrorCode::model, source + ": not valid JSON (it holds a NUL byte); download the file again");
  }
  // The keys of each open object: nlohmann-json keeps the last of duplicates without a word, so that fewer are left.
  std::vector<std::vector<std::string>> open_objects;
  auto check = [&](int depth, json::parse_event_t event, json& value) {
    const bool opens = event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (depth + (opens ? 1 : 0) > max_depth) {
      throw Error(ErrorCode::model, source + ": JSON nests deeper than " + std::to_string(max_depth) + " levels");
    }
    if (event == json::parse_event_t::object_start) {
      open_objects.emplace_back();
    } else if (event == json::parse_event_t::key) {
      open_objects.back().push_back(value.get_ref<const std::string&>());
    } else if (event == json::parse_event_t::object_end) {
      std::vector<std::string>& keys = open_objects.back();
      if (keys.size() != value.size()) {
        std::sort(keys.begin(), keys.end());
        const std::string& twice = *std::adjacent_find(keys.begin(), keys.end());
        throw Error(ErrorCode::model, source + ": the key \"" + twice + "\" is given twice");
      }
      open_objects.pop_back();
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& e) {
    throw Error(ErrorCode::model, source + ": not valid JSON (" + e.what() + "); download the file again");
  }
}

json read_json(const fs::path& file, uint64_t max_bytes) {
  return parse_json(read_file(file, max_bytes), file.string());
}

bool is_present(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(file, ignored));
}

std::string read_file(const fs::path& file, uint64_t max_bytes) {
  std::error_code failed;
  if (!fs::is_regular_file(file, failed)) {
    throw Error(ErrorCode::model, file.string() + ": no such file; is the checkpoint complete?");
  }
  const uint64_t size = fs::file_size(file, failed);
  if (failed || size > max_bytes) {
    throw Error(ErrorCode::model, file.string() + ": expected at most " + std::to_string(max_bytes) + " bytes, found " +
                                      (failed ? failed.message() : std::to_string(size)));
  }
  std::string text(size, '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in.read(text.data(), static_cast<std::streamsize>(size))) {
    throw Error(ErrorCode::model, file.string() + ": can't be read; check its permissions");
  }
  return text;
}

}  // namespace glm
