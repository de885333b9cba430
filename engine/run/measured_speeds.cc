#include "engine/run/measured_speeds.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>
#include <utility>

#include "base/atomic_file.h"
#include "base/fnv1a.h"
#include "base/json.h"
#include "engine/checkpoint/dtype.h"
#include "engine/device/device.h"
#include "engine/device/trust/kernel_cache.h"
#include "engine/run/precision.h"

namespace glm {
namespace {

constexpr int kVersion = 1;
constexpr uint64_t kMaxBytes = 1U << 20U;
constexpr size_t kMostModels = 200;  // in a file
constexpr double kSameSpeed = 0.05;

// Calls each(name, member) for each of the speeds.
template <typename Each>
void for_each_speed(Each each) {
  each("references", &Speeds::references);
  each("read", &Speeds::read);
  each("step", &Speeds::step);
  each("pixels", &Speeds::pixels);
}

bool is_speed(double value) {
  return std::isfinite(value) && value > 0;
}

// Returns the models of a file; nothing where it isn't as learn() writes it.
nlohmann::json models_of(const std::filesystem::path& file, const std::string& machine) {
  try {
    nlohmann::json all = read_json(file, kMaxBytes);
    if (all.at("version").get<int>() == kVersion && all.at("machine").get<std::string>() == machine &&
        all.at("models").is_object()) {
      return all.at("models");
    }
  } catch (const std::exception&) {  // it isn't there, or somebody has changed it
  }
  return nlohmann::json::object();
}

Speeds speeds_in(const nlohmann::json& models, const std::string& model) {
  Speeds found;
  const auto own = models.find(model);
  if (own == models.end() || !own->is_object()) return found;
  for_each_speed([&](const char* name, double Speeds::*speed) {
    const auto value = own->find(name);
    if (value != own->end() && value->is_number() && is_speed(value->get<double>()))
      found.*speed = value->get<double>();
  });
  return found;
}

std::string machine_text(at::Device device, int threads) {
  const std::string used = device.is_cpu() ? std::to_string(threads) + " threads, " : "";
  return product_of(device) + ", " + used + "glm-image " + GLM_VERSION;
}

std::string model_text(const ModelConfig& config, at::ScalarType dtype, const LoadOptions& options) {
  const Work work = work_of(config, {config.geometry({32, 32}), 1}, kPromptLength, {{32, 32}});
  char text[160];
  std::snprintf(text, sizeof text, "%.6g %.6g %.6g %.6g", work.references, work.read, work.step, work.pixels);
  return std::string(text) + " " + dtype_option(dtype) + " " + Precision::of(options.precision).text() + " kernels " +
         options.kernels + " look-ahead " + options.look_ahead +
         (config.quantised.empty() ? "" : " " + config.quantised);
}

}  // namespace

Speeds speeds_of(const Work& work, std::span<const Result::StageTime> times) {
  Speeds speeds;
  for (const Result::StageTime& time : times) {
    if (time.units == 0 || time.seconds <= 0) continue;
    const auto units = static_cast<double>(time.units);
    switch (time.stage) {
      case Stage::references:
        speeds.references = work.references / time.seconds;
        break;
      case Stage::tokens:
        speeds.read = work.read * units / time.seconds;
        break;
      case Stage::glyphs:
        break;
      case Stage::steps:
        speeds.step = work.step * units / time.seconds;
        break;
      case Stage::pixels:
        speeds.pixels = work.pixels * units / time.seconds;
        break;
    }
  }
  return speeds;
}

MeasuredSpeeds MeasuredSpeeds::of(at::Device device, int threads, const ModelConfig& config, at::ScalarType dtype,
                                  const LoadOptions& options) {
  return {cache_folder(), machine_text(device, threads), model_text(config, dtype, options)};
}

std::filesystem::path MeasuredSpeeds::file() const {
  return folder_ / ("speeds-" + fnv1a64_digits(machine_) + ".json");
}

Speeds MeasuredSpeeds::read() const {
  return folder_.empty() ? Speeds() : speeds_in(models_of(file(), machine_), model_);
}

void MeasuredSpeeds::learn(const Speeds& measured) const noexcept {
  try {
    if (folder_.empty()) return;
    nlohmann::json models = models_of(file(), machine_);
    const Speeds known = speeds_in(models, model_);
    nlohmann::json own = nlohmann::json::object();
    bool is_new = false;
    for_each_speed([&](const char* name, double Speeds::*speed) {
      double value = known.*speed;
      if (is_speed(measured.*speed)) {
        is_new = is_new || std::abs(measured.*speed - value) > kSameSpeed * value;
        value = value > 0 ? (value + measured.*speed) / 2 : measured.*speed;
      }
      if (value > 0) own[name] = value;
    });
    if (!is_new) return;
    if (models.size() >= kMostModels && !models.contains(model_)) models.erase(models.begin());
    models[model_] = own;
    const nlohmann::json all = {{"version", kVersion}, {"machine", machine_}, {"models", models}};
    const std::string text = all.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::filesystem::create_directories(folder_);
    write_file(file(), [&](std::ostream& out) { out << text << "\n"; });
  } catch (const std::exception&) {  // the next call learns
  }
}

}  // namespace glm
