#include "tests/support/golden.h"

#include <ATen/ATen.h>

#include <cstdio>
#include <map>
#include <stdexcept>

#include "base/fnv1a.h"
#include "engine/checkpoint/dtype.h"
#include "tests/support/checkpoints.h"
#include "tests/support/compare.h"
#include "tests/support/reference_picture.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

Golden::Golden(const std::string& file) : file_(fs::path(GLM_SOURCE_DIR) / "tests/goldens" / file) {
  header_ = json::parse(file_.metadata().at("json"));
  for (const char* key : {"made_by", "versions", "tensors"}) {
    if (!header_.contains(key))
      throw std::runtime_error(file + " doesn't say \"" + key + "\": it is no golden of upstream");
  }
  for (const char* library : {"torch", "diffusers", "transformers"}) header_["versions"].at(library);
}

const Golden& Golden::of(const std::string& file) {
  static std::map<std::string, Golden> read;
  const auto known = read.find(file);
  return known != read.end() ? known->second : read.emplace(file, Golden(file)).first->second;
}

fs::path Golden::checkpoint() const {
  const std::string name = parameters().at("checkpoint");
  if (name.starts_with("q_")) return fs::path(GLM_SOURCE_DIR) / "tests/data/quantised" / name;
  return name == "nano" ? fs::path(GLM_SOURCE_DIR) / "models/nano" : checkpoint_folder(name);
}

Request Golden::request() const {
  const json& p = parameters();
  Request r;
  r.prompt = p.at("prompt");
  r.width = p.at("width").get<int64_t>();
  r.height = p.at("height").get<int64_t>();
  r.steps = p.at("steps").get<int64_t>();
  r.guidance = p.at("cfg").get<double>();
  r.seeds = {p.at("seed").get<uint64_t>()};
  r.rng = p.value("rng", "cpu") == "cuda" ? Rng::cuda : Rng::cpu;
  r.greedy = p.at("greedy");
  for (const json& shape : p.value("references", json::array())) {
    r.references.push_back(draw_reference({.width = shape[0], .height = shape[1], .pattern = shape[2]}));
  }
  return r;
}

std::vector<std::string> Golden::names() const {
  std::vector<std::string> all;
  for (const auto& entry : file_.tensors()) all.push_back(entry.first);
  return all;
}

at::Tensor Golden::tensor(const std::string& name) const {
  if (!whole(name)) throw std::runtime_error(file_.path().string() + " doesn't hold the whole of " + name);
  return file_.tensor(name);
}

at::Tensor Golden::kept(const std::string& name) const {
  return file_.tensor(name);
}

at::Tensor Golden::same_elements(const std::string& name, const at::Tensor& actual) const {
  const auto stride = about(name).at("stride").get<int64_t>();
  const at::Tensor own = actual.cpu();
  return stride == 1 ? own : own.flatten().slice(0, 0, std::nullopt, stride);
}

testing::AssertionResult Golden::matches(const std::string& name, const at::Tensor& actual,
                                         tolerance::Bound bound) const {
  if (!has(name)) return testing::AssertionFailure() << file_.path() << " has no " << name;
  const auto shape = about(name).at("shape").get<std::vector<int64_t>>();
  if (actual.sizes() != at::IntArrayRef(shape)) {
    return testing::AssertionFailure() << name << ": expected shape " << shape_text(shape) << ", found "
                                       << shape_text(actual.sizes());
  }
  const auto result = near(same_elements(name, actual), kept(name), about(name).at("max_abs"), bound);
  return result ? result : testing::AssertionFailure() << name << ": " << result.message();
}

testing::AssertionResult Golden::bytes_equal(const std::string& name, const at::Tensor& actual) const {
  const auto close = matches(name, actual, tolerance::kExact);
  if (!close) return close;
  const std::string expected = about(name).at("fnv1a64");
  if (fnv1a64(actual) == expected) return testing::AssertionSuccess();
  return testing::AssertionFailure() << name << ": the elements that were kept are equal, others differ (hash "
                                     << fnv1a64(actual) << ", upstream's " << expected << ")";
}

std::string fnv1a64(const at::Tensor& tensor) {
  const at::Tensor bytes = tensor.cpu().contiguous();
  const std::string_view data(static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes());
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(::glm::fnv1a64(data)));
  return text;
}

}  // namespace glm
