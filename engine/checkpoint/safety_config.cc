#include "engine/checkpoint/safety_config.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/checkpoint_name.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kClass = "StableDiffusionSafetyChecker";
constexpr int64_t kMaxDimension = 1 << 16;  // keeps products of two dimensions far from overflowing
constexpr int64_t kMaxEdge = 1024;          // pixels

// The defaults of transformers 5.17.0, which hold where a key is absent: configuration_clip.py,
// image_processing_clip.py
constexpr const char* kDefaults = R"({
  "config": {"projection_dim": 512},
  "vision_config": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "num_channels": 3, "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-05},
  "preprocessor": {"do_resize": true, "do_center_crop": true, "do_rescale": true, "do_normalize": true,
    "do_convert_rgb": true, "use_square_size": false, "resample": 3, "size": {"shortest_edge": 224},
    "crop_size": {"height": 224, "width": 224}, "rescale_factor": 0.00392156862745098,
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
})";

// One object of a json file with the defaults of its class.
class Values {
 public:
  Values(std::string file, const json& content, const char* defaults)
      : file_(std::move(file)), values_(json::parse(kDefaults).at(defaults)) {
    if (!content.is_object()) refuse(ErrorCode::model, file_, "an object", shortened(json_text(content), 200));
    values_.update(content);
  }

  [[noreturn]] void fail(const std::string& key, const std::string& expected, const json& found) const {
    refuse(ErrorCode::model, file_ + ": " + key, expected, shortened(json_text(found), 200));
  }

  // The key's value; null where there is none.
  json value(const std::string& key) const { return values_.value(key, json()); }

  int64_t whole(const std::string& key, const json& v, int64_t low, int64_t high) const {
    const bool fits = v.is_number_unsigned() ? v.get<uint64_t>() <= INT64_MAX : v.is_number_integer();
    if (!fits || v.get<int64_t>() < low || v.get<int64_t>() > high) {
      fail(key, "a whole number from " + std::to_string(low) + " to " + std::to_string(high), v);
    }
    return v.get<int64_t>();
  }
  int64_t number(const std::string& key, int64_t high) const { return whole(key, value(key), 1, high); }

  double real(const std::string& key, double low, double high) const {
    const json v = value(key);
    if (!v.is_number() || !(v.get<double>() >= low && v.get<double>() <= high)) {
      fail(key, "a number from " + json(low).dump() + " to " + json(high).dump(), v);
    }
    return v.get<double>();
  }

  // A number for each of red, green and blue.
  std::vector<double> colours(const std::string& key, double low, double high) const {
    const json v = value(key);
    const auto fits = [&](const json& n) { return n.is_number() && n.get<double>() >= low && n.get<double>() <= high; };
    if (!v.is_array() || v.size() != 3 || !std::all_of(v.begin(), v.end(), fits)) {
      fail(key, "three numbers from " + json(low).dump() + " to " + json(high).dump(), v);
    }
    return v.get<std::vector<double>>();
  }

  // Refuses every value of the key but the one that this engine knows.
  void only(const std::string& key, const json& known) const {
    if (value(key) != known) fail(key, known.dump() + ", the only value this program knows", value(key));
  }

  // Refuses another class than these, where the file names one.
  void only_class(const std::string& key, const std::vector<std::string>& known) const {
    const json v = value(key);
    const json name = v.is_array() && v.size() == 1 ? v[0] : v;
    if (v.is_null() || std::find(known.begin(), known.end(), name) != known.end()) return;
    fail(key, known.front(), v);
  }

 private:
  std::string file_;
  json values_;
};

Values read(const fs::path& file, const char* defaults) {
  return {file.string(), read_json(file), defaults};
}

// Upstream lets the values of vision_config_dict, completed by the defaults, take the place of vision_config's.
Values vision_values(const fs::path& file, const Values& config) {
  for (const char* key : {"vision_config_dict", "vision_config"}) {
    if (const json v = config.value(key); !v.is_null()) return {file.string() + ": " + key, v, "vision_config"};
  }
  return {file.string(), json::object(), "vision_config"};
}

// The pixels of the shorter side after resizing: a number, or {"shortest_edge": number}.
int64_t shortest_edge(const Values& values) {
  const json size = values.value("size");
  const bool named = size.is_object() && size.size() == 1 && size.contains("shortest_edge");
  return values.whole(named ? "size: shortest_edge" : "size", named ? size["shortest_edge"] : size, 1, kMaxEdge);
}

// The square that is cut out, a number or {"height": number, "width": number}, must be what the model sees.
void check_crop(const Values& values, int64_t image_size) {
  const json crop = values.value("crop_size");
  const bool square = crop == image_size || crop == json({{"height", image_size}, {"width", image_size}});
  if (!square) values.fail("crop_size", "vision_config's image_size (" + std::to_string(image_size) + ")", crop);
}

}  // namespace

SafetyFolder::SafetyFolder(const fs::path& folder) {
  const CheckpointName name(folder);
  const std::string advice =
      "give the folder of a StableDiffusionSafetyChecker, or of a pipeline that has one in safety_checker";
  if (name.random) refuse(ErrorCode::model, folder.string(), "a checker from files", "one of random weights", advice);
  const bool own = is_present(name.folder / "config.json");
  checker = own ? name.folder : name.folder / "safety_checker";
  std::error_code ignored;
  if (!is_present(checker / "config.json")) {
    if (!fs::exists(folder, ignored)) throw Error(ErrorCode::model, folder.string() + ": no such folder; " + advice);
    refuse(ErrorCode::model, folder.string(), "a folder with config.json or safety_checker/config.json",
           fs::is_directory(folder, ignored) ? "neither" : "a file", advice);
  }
  const bool safe = is_present(checker / "model.safetensors") || is_present(checker / "model.safetensors.index.json");
  if (!safe && is_present(checker / "pytorch_model.bin")) {
    refuse(ErrorCode::model, checker.string(), "model.safetensors", "only pytorch_model.bin, which isn't read",
           "download model.safetensors of the same repository, or load the checker with diffusers and save it again "
           "with save_pretrained()");
  }
  const fs::path pipeline = own ? checker / ".." : name.folder;
  for (const fs::path& place : {checker, pipeline / "feature_extractor"}) {
    preprocessor = place / "preprocessor_config.json";
    if (is_present(preprocessor)) return;
  }
  preprocessor.clear();
}

SafetyConfig::SafetyConfig(const SafetyFolder& folder) {
  const fs::path file = folder.checker / "config.json";
  const Values config = read(file, "config");
  config.only_class("architectures", {kClass});
  config.only_class("_class_name", {kClass});
  projection = config.number("projection_dim", kMaxDimension);
  const Values vision = vision_values(file, config);
  dim = vision.number("hidden_size", kMaxDimension);
  inner_dim = vision.number("intermediate_size", kMaxDimension);
  layers = vision.number("num_hidden_layers", 1024);
  heads = vision.number("num_attention_heads", kMaxDimension);
  if (dim % heads != 0) {
    vision.fail("num_attention_heads", "a divisor of hidden_size (" + std::to_string(dim) + ")", heads);
  }
  vision.only("num_channels", 3);
  image_size = vision.number("image_size", kMaxEdge);
  patch = vision.number("patch_size", image_size);
  norm_eps = vision.real("layer_norm_eps", 0, 1);
  const json activation = vision.value("hidden_act");
  if (activation != "quick_gelu" && activation != "gelu") vision.fail("hidden_act", "quick_gelu or gelu", activation);
  quick_gelu = activation == "quick_gelu";

  const Values pixels = folder.preprocessor.empty()
                            ? Values("the defaults of CLIPImageProcessor", json::object(), "preprocessor")
                            : read(folder.preprocessor, "preprocessor");
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    pixels.only_class(key, {"CLIPImageProcessor", "CLIPFeatureExtractor", "CLIPImageProcessorFast"});
  }
  for (const char* key : {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}) {
    pixels.only(key, true);
  }
  pixels.only("use_square_size", false);
  pixels.only("resample", 3);  // bicubic
  shortest_edge = glm::shortest_edge(pixels);
  check_crop(pixels, image_size);
  rescale = pixels.real("rescale_factor", 1e-6, 1e6);
  mean = pixels.colours("image_mean", -1e6, 1e6);
  std = pixels.colours("image_std", 1e-6, 1e6);
}

}  // namespace glm
