// The json files of a small checkpoint, to be changed and read.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "engine/checkpoint/config.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

inline constexpr const char* kIndex = "model_index.json";
inline constexpr const char* kPrior = "vision_language_encoder/config.json";
inline constexpr const char* kGeneration = "vision_language_encoder/generation_config.json";
inline constexpr const char* kPixels = "processor/preprocessor_config.json";
inline constexpr const char* kGlyph = "text_encoder/config.json";
inline constexpr const char* kDit = "transformer/config.json";
inline constexpr const char* kVae = "vae/config.json";
inline constexpr const char* kSchedule = "scheduler/scheduler_config.json";
inline constexpr const char* kPicture = "glm_image.json";

// A key of a file, "/text_config/head_dim", and how a message names it: "text_config: head_dim".
struct Key {
  const char* file;
  std::string pointer;
  std::string said() const {
    std::string text = pointer.substr(1);
    for (size_t slash = 0; (slash = text.find('/')) != std::string::npos;) text.replace(slash, 1, ": ");
    return text;
  }
};

// Files and pointers to keys of theirs.
using Keys = std::vector<std::pair<const char*, std::vector<std::string>>>;

// The json files of the small checkpoint in a folder of their own, to be changed.
class Config : public testing::Test {
 protected:
  Config() {
    for (const char* name : {kIndex, kPrior, kGeneration, kPixels, kGlyph, kDit, kVae, kSchedule}) {
      good_[name] = read_json(fs::path(GLM_SOURCE_DIR) / "tests/checkpoints/a" / name);
      write(name, good_[name]);
    }
  }
  fs::path path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const json& content) {
    fs::create_directories(path(name).parent_path());
    write_bytes(path(name), content.dump());
  }
  ModelConfig read() const { return ModelConfig(folder_.path()); }
  ModelConfig without(const char* file, const std::vector<std::string>& keys) {
    json changed = good_.at(file);
    for (const std::string& key : keys) changed.erase(key);
    write(file, changed);
    ModelConfig config = read();
    write(file, good_.at(file));
    return config;
  }
  testing::AssertionResult refuses(const std::string& file, std::vector<std::string> said) const {
    said.push_back(path(file).string());
    return refused(ErrorCode::model, said, [&] { read(); });
  }
  // With one value changed, is the file refused by its name, the key's, and `said`?
  testing::AssertionResult refuses_value(const Key& key, const json& value,
                                         std::vector<std::string> said = {"expected"}) {
    json changed = good_.at(key.file);
    changed[json::json_pointer(key.pointer)] = value;
    write(key.file, changed);
    said.push_back(key.said());
    const auto result = refuses(key.file, said);
    write(key.file, good_.at(key.file));
    return result;
  }
  void expect_refused(const Keys& all, const std::vector<json>& values, const std::string& expected) {
    for (const auto& [file, pointers] : all) {
      for (const std::string& pointer : pointers) {
        for (const json& value : values) {
          EXPECT_TRUE(refuses_value({file, pointer}, value, {expected, "found " + value.dump()}));
        }
      }
    }
  }
  const TemporaryFolder folder_;
  std::map<std::string, json> good_;
};

}  // namespace glm
