#include "engine/checkpoint/section.h"

#include <utility>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"

namespace glm {

using nlohmann::json;

Section::Section(std::string file, const json& content, const char* defaults, const char* name)
    : file_(std::move(file)), content_(content), all_defaults_(defaults), defaults_(json::parse(defaults).at(name)) {
  if (!content_.is_object()) fail("", "an object", content_);
}

void Section::fail(const std::string& key, const std::string& expected, const json& found) const {
  refuse(ErrorCode::model, file_ + (key.empty() ? "" : ": " + key), expected, shortened(json_text(found), 200));
}

bool Section::has(const std::string& key) const {
  return content_.contains(key) && !content_[key].is_null();
}

json Section::value(const std::string& key) const {
  if (content_.contains(key)) return content_[key];
  if (defaults_.contains(key)) return defaults_[key];
  throw Error(ErrorCode::model, file_ + ": the key " + key + " is missing");
}

int64_t Section::number(const std::string& key, int64_t low, int64_t high) const {
  return number_of(key, value(key), low, high);
}

int64_t Section::number_of(const std::string& key, const json& value, int64_t low, int64_t high) const {
  const std::string expected = "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
  const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= INT64_MAX : value.is_number_integer();
  if (!fits || value.get<int64_t>() < low || value.get<int64_t>() > high) fail(key, expected, value);
  return value.get<int64_t>();
}

double Section::real(const std::string& key, double low, double high) const {
  const json v = value(key);
  if (!v.is_number() || !(v.get<double>() >= low && v.get<double>() <= high)) {
    fail(key, "a number from " + json(low).dump() + " to " + json(high).dump(), v);
  }
  return v.get<double>();
}

bool Section::flag(const std::string& key) const {
  const json v = value(key);
  if (!v.is_boolean()) fail(key, "true or false", v);
  return v.get<bool>();
}

std::vector<int64_t> Section::numbers(const std::string& key, int64_t high) const {
  const json v = value(key);
  if (!v.is_array() || v.empty() || v.size() > 16) fail(key, "a list of 1 to 16 whole numbers", v);
  std::vector<int64_t> all;
  for (const json& item : v) {
    if (!item.is_number_integer() || item < 0 || item > high) fail(key, "whole numbers", v);
    all.push_back(item.get<int64_t>());
  }
  return all;
}

std::vector<double> Section::reals(const std::string& key, size_t count) const {
  const json v = value(key);
  const std::string expected = "a list of " + std::to_string(count) + " numbers";
  if (!v.is_array() || v.size() != count) fail(key, expected, v);
  std::vector<double> all;
  for (const json& item : v) {
    if (!item.is_number()) fail(key, expected, v);
    all.push_back(item.get<double>());
  }
  return all;
}

void Section::only(const std::string& key, const json& known) const {
  if (value(key) != known) fail(key, known.dump() + ", the only value this program knows", value(key));
}

Section Section::section(const std::string& key) const {
  return {file_ + ": " + key, has(key) ? content_[key] : json::object(), all_defaults_, key.c_str()};
}

}  // namespace glm
