// The one table of what a task may say. The validator and the JSON Schema come from it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace glm::tasks {

enum class Kind {
  text,        // a string
  prompt,      // a string of so many characters, without NUL
  uuid,        // a string with a UUID of version 4
  address,     // a string with a web address
  whole,       // an integer
  hundredths,  // a number, which is rounded to two decimals
  flag,        // a boolean
  choice,      // one of some strings
  choices,     // one of some strings, or an array of different ones
  picture,     // a string with a picture: its UUID in the media store, a web address, base64 or a data URI
  pictures,    // an array of one picture, each a string or an object that has it as `image`
  object
};

struct Field {
  std::string name;
  Kind kind;
  std::string help;
  bool required = false;
  uint64_t low = 0;  // the smallest and largest number, or the fewest and most characters
  uint64_t high = 0;
  std::vector<std::string> choices = {};
  bool any_case = false;              // choices in lower case are taken, too
  nlohmann::json fallback = nullptr;  // what holds when the field is missing; null: nothing
  std::vector<Field> fields = {};     // of an object
  nlohmann::json only = nullptr;      // the one value that is taken
  std::string refusal = {};           // why there is only one
};

struct TaskType {
  std::string name;
  std::string help;
  std::vector<Field> fields;  // but for taskType itself
};

inline constexpr size_t kMostTasks = 1000;               // of an array
inline constexpr size_t kMostBytes = size_t{256} << 20;  // of an array's text
inline constexpr int kMostLevels = 16;                   // of JSON

// model: the local model's name, which is taken beside the contract's own.
std::vector<TaskType> task_types(const std::string& model);

// The blanks that a prompt's minimum doesn't count, as ranges of code points: Unicode's White_Space.
inline constexpr uint32_t kBlanks[][2] = {{0x09, 0x0d},     {0x20, 0x20},     {0x85, 0x85},     {0xa0, 0xa0},
                                          {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f},
                                          {0x205f, 0x205f}, {0x3000, 0x3000}};

}  // namespace glm::tasks
