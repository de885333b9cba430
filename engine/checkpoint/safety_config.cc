#include "engine/checkpoint/safety_config.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/section.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kClass = "StableDiffusionSafetyChecker";
constexpr int64_t kMost = 1 << 16;  // of a dimension
constexpr int64_t kMaxEdge = 1024;  // pixels

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

Section read(const fs::path& file, const char* name) {
  return {file.string(), read_json(file), kDefaults, name};
}

// Three numbers, for red, green and blue.
std::vector<double> colours(const Section& section, const std::string& key, double low, double high) {
  std::vector<double> all = section.reals(key, 3);
  const bool fit = std::all_of(all.begin(), all.end(), [&](double n) { return n >= low && n <= high; });
  if (!fit) section.fail(key, "numbers from " + json(low).dump() + " to " + json(high).dump(), all);
  return all;
}

// Refuses a file that names a class other than these.
void only_class(const Section& section, const std::string& key, const std::vector<std::string>& known) {
  if (!section.has(key)) return;
  const json v = section.value(key);
  const json name = v.is_array() && v.size() == 1 ? v[0] : v;
  if (std::find(known.begin(), known.end(), name) == known.end()) section.fail(key, known.front(), v);
}

// Upstream lets the values of vision_config_dict, completed by the defaults, take the place of vision_config's.
Section vision_section(const fs::path& file, const Section& config) {
  const std::string other = "vision_config_dict";
  if (!config.has(other)) return config.section("vision_config");
  return {file.string() + ": " + other, config.value(other), kDefaults, "vision_config"};
}

// The pixels of the shorter side after resizing: a number, or {"shortest_edge": number}.
int64_t shortest_edge(const Section& pixels) {
  const json size = pixels.value("size");
  const bool named = size.is_object() && size.size() == 1 && size.contains("shortest_edge");
  return pixels.number_of(named ? "size: shortest_edge" : "size", named ? size["shortest_edge"] : size, 1, kMaxEdge);
}

// The square that is cut out, a number or {"height": number, "width": number}, must be what the model sees.
void check_crop(const Section& pixels, int64_t image_size) {
  const json crop = pixels.value("crop_size");
  const bool square = crop == image_size || crop == json({{"height", image_size}, {"width", image_size}});
  if (!square) pixels.fail("crop_size", "vision_config's image_size (" + std::to_string(image_size) + ")", crop);
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
  const Section config = read(file, "config");
  only_class(config, "architectures", {kClass});
  only_class(config, "_class_name", {kClass});
  projection = config.number("projection_dim", 1, kMost);
  const Section vision = vision_section(file, config);
  dim = vision.number("hidden_size", 1, kMost);
  inner_dim = vision.number("intermediate_size", 1, kMost);
  layers = vision.number("num_hidden_layers", 1, 1024);
  heads = vision.number("num_attention_heads", 1, kMost);
  if (dim % heads != 0) {
    vision.fail("num_attention_heads", "a divisor of hidden_size (" + std::to_string(dim) + ")", heads);
  }
  vision.only("num_channels", 3);
  image_size = vision.number("image_size", 1, kMaxEdge);
  patch = vision.number("patch_size", 1, image_size);
  norm_eps = vision.real("layer_norm_eps", 0, 1);
  const json activation = vision.value("hidden_act");
  if (activation != "quick_gelu" && activation != "gelu") vision.fail("hidden_act", "quick_gelu or gelu", activation);
  quick_gelu = activation == "quick_gelu";

  const Section pixels = folder.preprocessor.empty()
                             ? Section("the defaults of CLIPImageProcessor", json::object(), kDefaults, "preprocessor")
                             : read(folder.preprocessor, "preprocessor");
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    only_class(pixels, key, {"CLIPImageProcessor", "CLIPFeatureExtractor", "CLIPImageProcessorFast"});
  }
  for (const char* key : {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}) {
    pixels.only(key, true);
  }
  pixels.only("use_square_size", false);
  pixels.only("resample", 3);  // bicubic
  shortest_edge = glm::shortest_edge(pixels);
  check_crop(pixels, image_size);
  rescale = pixels.real("rescale_factor", 1e-6, 1e6);
  mean = colours(pixels, "image_mean", -1e6, 1e6);
  std = colours(pixels, "image_std", 1e-6, 1e6);
}

}  // namespace glm
