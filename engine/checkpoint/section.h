// One object of a json file, with the defaults of its class.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace glm {

inline constexpr int64_t kMaxDimension = 1 << 20;  // keeps products of two dimensions far from overflowing

// Every function throws Error(model), which names the file, the key, what was expected and what was found.
class Section {
 public:
  // defaults: a json text with an object of defaults for each class. name: the class's.
  Section(std::string file, const nlohmann::json& content, const char* defaults, const char* name);

  [[noreturn]] void fail(const std::string& key, const std::string& expected, const nlohmann::json& found) const;

  bool has(const std::string& key) const;  // and it isn't null
  nlohmann::json value(const std::string& key) const;

  // A whole number from `low` to `high`.
  int64_t number(const std::string& key, int64_t low = 1, int64_t high = kMaxDimension) const;
  int64_t number_of(const std::string& key, const nlohmann::json& value, int64_t low, int64_t high) const;
  double real(const std::string& key, double low, double high) const;
  bool flag(const std::string& key) const;
  std::vector<int64_t> numbers(const std::string& key, int64_t high = kMaxDimension) const;
  std::vector<double> reals(const std::string& key, size_t count) const;

  // Refuses every value of the key but the one that this engine knows.
  void only(const std::string& key, const nlohmann::json& known) const;

  // The object under `key`, whose class has the same name, or the class's defaults.
  Section section(const std::string& key) const;

 private:
  std::string file_;
  nlohmann::json content_;
  const char* all_defaults_;
  nlohmann::json defaults_;
};

}  // namespace glm
