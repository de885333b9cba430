#include "base/json.h"

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include "base/file_kind.h"
#include "base/read_file.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

std::string json_text(const json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}
std::string json_text(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

namespace {

// Throws Error(model) for a file that is of a known other kind, or a text such as "Entry not found".
void check_kind(std::string_view text, const std::string& source) {
  FileKind kind = file_kind(text);
  const size_t first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  const bool is_word = first != std::string_view::npos && ((text[first] | 0x20) >= 'a' && (text[first] | 0x20) <= 'z');
  if (kind.name.empty() && is_word && text.find_first_of("{[\"") == std::string_view::npos && text.size() > 8) {
    kind.name = "a text that begins with \"" + shortened(std::string(text.substr(first, 100)), 60) + "\"";
  }
  if (kind.name.empty()) return;
  refuse(ErrorCode::model, source, "JSON", kind.name, kind.advice.empty() ? "download the file again" : kind.advice);
}

// The parser's callback throws it to end the parsing.
struct Enough {};

// Throws std::bad_alloc unless there is memory for what the parser makes of `text`. Where the parser itself gets none,
// its values' destructors need more, get none either, and end the process.
void check_memory(std::string_view text) {
  constexpr size_t of_value = 160;  // bytes, with the key and the node that hold it
  const auto values = std::count_if(text.begin(), text.end(), [](char c) { return c == ',' || c == '[' || c == '{'; });
  ::operator delete(::operator new(text.size() + of_value * (static_cast<size_t>(values) + 1)));
}

// Returns what stands at `at`, up to the end of its line.
std::string quoted_at(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at, text.find_first_of("\r\n", at) - at);
  return rest.empty() ? "the end of the line" : '"' + shortened(std::string(rest.substr(0, 100)), 30) + '"';
}

// Says in our own words what the parser says in its own. It counts the bytes that it has read, with the first bad one.
std::string problem_of(std::string_view text, const json::parse_error& e) {
  const size_t at = std::min(e.byte > 0 ? e.byte - 1 : 0, text.size());
  const std::string_view before = text.substr(0, at);
  const size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
  const size_t column = at - (before.rfind('\n') + 1) + 1;  // of nothing rfind() + 1 is 0
  const std::string place = "line " + std::to_string(line) + ", column " + std::to_string(column);
  if (at == text.size()) return "not valid JSON (it ends too early, at " + place + ")";
  const bool is_text = std::string_view(e.what()).find("UTF-8") == std::string_view::npos;
  return "not valid JSON (" + place + ": " +
         (is_text ? "expected JSON, found " + quoted_at(text, at) : "no valid UTF-8") + ")";
}

// "[json.exception.out_of_range.406] number overflow parsing '1e999'": only the number is for the user.
std::string problem_of(const json::out_of_range& e) {
  const std::string said = e.what();
  const size_t begin = said.find('\'');
  const std::string number = begin == std::string::npos ? "one" : said.substr(begin + 1, said.rfind('\'') - begin - 1);
  return "not valid JSON (" + shortened(number, 30) + " " + kNumberTooLarge;
}

}  // namespace

std::string json_problem(std::string_view text, const JsonLimits& limits, json* value) {
  check_memory(text);
  // nlohmann-json takes a NUL for the end of the text and wouldn't look at what follows it.
  if (text.find('\0') != std::string_view::npos) return "not valid JSON (it holds a NUL byte)";
  // The keys of each open object. nlohmann-json silently keeps only the last of two equal keys, so such an object ends
  // up with fewer values than keys.
  std::vector<std::vector<std::string>> open_objects;
  std::string problem;
  size_t values = 0;
  auto check = [&](int depth, json::parse_event_t event, json& part) {
    const bool opens = event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (depth + (opens ? 1 : 0) > limits.levels) {
      problem = "JSON nests deeper than " + std::to_string(limits.levels) + " levels";
    } else if (++values > limits.values) {
      problem = "JSON of more than " + std::to_string(limits.values) + " values";
    } else if (event == json::parse_event_t::object_start) {
      open_objects.emplace_back();
    } else if (event == json::parse_event_t::key) {
      open_objects.back().push_back(part.get_ref<const std::string&>());
    } else if (event == json::parse_event_t::object_end) {
      std::vector<std::string>& keys = open_objects.back();
      if (keys.size() != part.size()) {
        std::sort(keys.begin(), keys.end());
        problem = "the key \"" + *std::adjacent_find(keys.begin(), keys.end()) + "\" is given twice";
      }
      open_objects.pop_back();
    }
    if (!problem.empty()) throw Enough();
    return true;
  };
  try {
    *value = json::parse(text, check);
  } catch (const Enough&) {
  } catch (const json::parse_error& e) {
    problem = problem_of(text, e);
  } catch (const json::out_of_range& e) {
    problem = problem_of(e);
  }
  return problem;
}

json parse_json(std::string_view text, const std::string& source, int max_depth) {
  check_kind(text, source);
  json value;
  const std::string problem = json_problem(text, {.levels = max_depth}, &value);
  if (problem.empty()) return value;
  std::string advice;
  if (problem.starts_with("not valid")) advice = "; download the file again";
  if (problem.ends_with("twice")) advice = "; leave out one of them";
  throw Error(ErrorCode::model, source + ": " + problem + advice);
}

json read_json(const fs::path& file, uint64_t max_bytes) {
  const std::string source = file.string();
  json value = parse_json(read_file(file, max_bytes), source);
  if (value.is_object() && value.size() <= 2 && value.contains("error") && value["error"].is_string()) {
    refuse(ErrorCode::model, source, "a file of the checkpoint",
           "a server's error, " + shortened(json_text(value["error"]), 60), "download the file again");
  }
  return value;
}

bool is_present(const fs::path& file) {
  std::error_code problem;
  // A file in a folder that can't be entered counts as present, so that reading it reports the error.
  return fs::exists(fs::symlink_status(file, problem)) || problem == std::errc::permission_denied;
}

std::string read_file(const fs::path& file, uint64_t max_bytes) {
  FileContents contents = read_whole_file(file, max_bytes);
  switch (contents.problem) {
    case FileContents::Problem::none:
      return std::move(contents.bytes);
    case FileContents::Problem::missing:
      if (std::error_code none; is_present(file)) {
        refuse(ErrorCode::model, file.string(), "a file",
               fs::is_symlink(file, none) ? "a link that leads to none" : "something else", "download the file again");
      }
      throw Error(ErrorCode::model, file.string() + ": no such file; is the checkpoint complete?");
    case FileContents::Problem::too_large:
      refuse(ErrorCode::model, file.string(), "at most " + std::to_string(max_bytes) + " bytes",
             std::to_string(contents.size));
    case FileContents::Problem::unreadable:
      break;
  }
  throw Error(ErrorCode::model, file.string() + ": can't be read; check its permissions");
}

}  // namespace glm
