#include "tasks/values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "base/uuid.h"

namespace glm::tasks {
namespace {

using nlohmann::json;

constexpr double kTwo64 = 18446744073709551616.0;  // 2^64

bool is_strings(const json& array) {
  return std::all_of(array.begin(), array.end(), [](const json& item) { return item.is_string(); });
}

bool is_whole(const json& value) {
  if (value.is_number_integer()) return true;
  if (!value.is_number_float()) return false;
  const auto number = value.get<double>();
  return number == std::floor(number);
}

// Says whether the number is one of 64 bits without a sign.
bool fits(const json& number) {
  if (number.is_number_float()) return number.get<double>() >= 0 && number.get<double>() < kTwo64;
  return number.is_number_unsigned() || number.get<int64_t>() >= 0;
}

// The code points of a text in UTF-8.
std::vector<uint32_t> characters(const std::string& text) {
  std::vector<uint32_t> all;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 0x80) {
      all.push_back(byte);
    } else if (byte >= 0xc0) {
      all.push_back(byte & (byte >= 0xf0 ? 0x07U : byte >= 0xe0 ? 0x0fU : 0x1fU));
    } else {
      all.back() = all.back() << 6U | (byte & 0x3fU);
    }
  }
  return all;
}

bool is_blank(uint32_t character) {
  return std::any_of(std::begin(kBlanks), std::end(kBlanks),
                     [&](const auto& range) { return range[0] <= character && character <= range[1]; });
}

bool is_prompt(const Field& field, const std::string& text) {
  const std::vector<uint32_t> all = characters(text);
  if (all.size() > field.high || std::find(all.begin(), all.end(), 0U) != all.end()) return false;
  const auto first = std::find_if_not(all.begin(), all.end(), is_blank);
  const auto last = std::find_if_not(all.rbegin(), all.rend(), is_blank).base();
  return first < last && static_cast<uint64_t>(last - first) >= field.low;
}

bool is_choice(const Field& field, const std::string& text) {
  return std::any_of(field.choices.begin(), field.choices.end(), [&](const std::string& choice) {
    return field.any_case ? lower_case(choice) == lower_case(text) : choice == text;
  });
}

// An item of a list of pictures: the picture, or an object that older clients send.
bool is_picture_item(const json& item) {
  if (item.is_string()) return !item.get_ref<const std::string&>().empty();
  if (!item.is_object() || !item.contains("image")) return false;
  return std::all_of(item.items().begin(), item.items().end(), [](const auto& entry) {
    if (entry.key() == "strength") return entry.value().is_number();
    const std::set<std::string> texts = {"image", "role", "tag", "type"};
    return texts.contains(entry.key()) && entry.value().is_string() &&
           (entry.key() != "image" || !entry.value().template get_ref<const std::string&>().empty());
  });
}

std::string picture_of(const json& item) {
  const json& picture = item.is_object() ? item.value("image", json()) : item;
  return picture.is_string() ? picture.get<std::string>() : "";
}

}  // namespace

bool is_web_address(const std::string& text) {
  const std::string begin = lower_case(text.substr(0, 8));
  return begin.starts_with("http://") || begin.starts_with("https://");
}

std::string code_of(const std::string& what, const std::string& path) {
  std::string name = path.substr(path.rfind('.') + 1);
  if (name[0] >= 'a' && name[0] <= 'z') name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return what + name;
}

std::string type_name(Kind kind) {
  switch (kind) {
    case Kind::whole:
      return "integer";
    case Kind::hundredths:
      return "float";
    case Kind::flag:
      return "boolean";
    case Kind::pictures:
      return "array";
    case Kind::object:
      return "object";
    case Kind::text:
    case Kind::prompt:
    case Kind::uuid:
    case Kind::address:
    case Kind::choice:
    case Kind::choices:
    case Kind::picture:
      return "string";
  }
  return "";
}

std::string expectation(const Field& field) {
  const std::string range = std::to_string(field.low) + " to " + std::to_string(field.high);
  switch (field.kind) {
    case Kind::text:
      return "a text";
    case Kind::prompt:
      return "a text of " + range + " characters, blanks at its ends not counted among the fewest, and without NUL";
    case Kind::uuid:
      return "a UUID of version 4";
    case Kind::address:
      return "a web address, http:// or https://";
    case Kind::whole:
      return "a whole number from " + range;
    case Kind::hundredths:
      return "a number from " + range;
    case Kind::flag:
      return "true or false";
    case Kind::choice:
      return listed(field.choices);
    case Kind::choices:
      return listed(field.choices) + ", or an array of them";
    case Kind::picture:
      return "a picture: its UUID, a web address, base64 or a data URI";
    case Kind::pictures:
      return "an array of one picture: its UUID, a web address, base64 or a data URI";
    case Kind::object:
      return "an object";
  }
  return "";
}

std::string found_text(const json& value) {
  if (value.is_array()) return "an array of " + std::to_string(value.size());
  if (value.is_object()) return "an object";
  if (value.is_string() && is_web_address(value.get<std::string>())) return "an address";  // it may hold a secret
  return shortened(json_text(value), 60);
}

bool has_type(Kind kind, const json& value) {
  switch (kind) {
    case Kind::whole:
      return is_whole(value);
    case Kind::hundredths:
      return value.is_number();
    case Kind::flag:
      return value.is_boolean();
    case Kind::pictures:
      return value.is_array();
    case Kind::object:
      return value.is_object();
    case Kind::choices:
      return value.is_string() || (value.is_array() && is_strings(value));
    case Kind::text:
    case Kind::prompt:
    case Kind::uuid:
    case Kind::address:
    case Kind::choice:
    case Kind::picture:
      return value.is_string();
  }
  return false;
}

bool is_in_range(const Field& field, const json& value) {
  switch (field.kind) {
    case Kind::prompt:
      return is_prompt(field, value.get_ref<const std::string&>());
    case Kind::uuid:
      return is_uuid4(value.get_ref<const std::string&>());
    case Kind::whole:
      return fits(value) && whole_of(value) >= field.low && whole_of(value) <= field.high;
    case Kind::hundredths:
      return value.get<double>() >= static_cast<double>(field.low) &&
             value.get<double>() <= static_cast<double>(field.high);
    case Kind::choice:
      return is_choice(field, value.get<std::string>());
    case Kind::choices: {
      const std::vector<std::string> all =
          value.is_string() ? std::vector{value.get<std::string>()} : value.get<std::vector<std::string>>();
      const bool known = std::all_of(all.begin(), all.end(), [&](const auto& text) { return is_choice(field, text); });
      return known && !all.empty() && std::set(all.begin(), all.end()).size() == all.size();
    }
    case Kind::picture:
      return is_picture_item(value);
    case Kind::pictures:
      return value.size() == 1 && is_picture_item(value[0]);
    case Kind::address:
      return is_web_address(value.get<std::string>());
    case Kind::text:
    case Kind::flag:
    case Kind::object:
      return true;
  }
  return false;
}

uint64_t whole_of(const json& value) {
  return value.is_number_float() ? static_cast<uint64_t>(value.get<double>()) : value.get<uint64_t>();
}

std::vector<std::string> reference_texts(const json& task) {
  std::vector<std::string> all;
  const json inputs = task.value("inputs", json::object());
  for (const auto& [object, key] :
       {std::pair{&inputs, "referenceImages"}, {&inputs, "references"}, {&task, "referenceImages"}}) {
    const auto found = object->find(key);
    if (found == object->end()) continue;
    std::string picture = picture_of(found->at(0));
    if (std::find(all.begin(), all.end(), picture) == all.end()) all.push_back(std::move(picture));
  }
  return all;
}

bool wants_output(const json& task, const std::string& type) {
  const json wanted = task.value("outputType", json("URL"));
  return wanted.is_array() ? std::find(wanted.begin(), wanted.end(), type) != wanted.end() : wanted == type;
}

bool wants_check(const json& task) {
  const json safety = task.value("safety", json::object());
  return safety.contains("mode") ? safety["mode"] == "fast" : safety.value("checkContent", false);
}

bool is_async(const json& task) {
  if (task.contains("deliveryMethod")) return task["deliveryMethod"] == "async";
  return task.contains("webhookURL");
}

}  // namespace glm::tasks
