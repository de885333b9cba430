// How fast models have run on this machine. Each call of Pipeline::generate() and each bench() adds what it measured to
// a file in the cache folder, and plan() predicts by it.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <filesystem>
#include <span>
#include <string>

#include "engine/checkpoint/config.h"
#include "engine/run/cost.h"
#include "glm/request.h"

namespace glm {

// How much work is done in a second, in the units of Work. 0 means that it was never measured.
struct Speeds {
  double references = 0;
  double read = 0;  // weights, counted as if each token read all of them
  double step = 0;
  double pixels = 0;
};

// Computes the speeds from the times of one picture's stages. The speed of a stage that wasn't computed stays 0.
Speeds speeds_of(const Work& work, std::span<const Result::StageTime> times);

class MeasuredSpeeds {
 public:
  // folder: of the cache; nothing is stored when it is empty. machine: the device, how many threads compute, and the
  // build. model: the shapes of a model, and how it computes. machine_text() and model_text() write them.
  MeasuredSpeeds(std::filesystem::path folder, std::string machine, std::string model)
      : folder_(std::move(folder)), machine_(std::move(machine)), model_(std::move(model)) {}

  // Returns what was measured. A file that isn't there, or isn't as learn() writes it, holds nothing.
  Speeds read() const;

  // Stores the mean of the measured and the known speeds. If no speed differs by more than a twentieth, it stores
  // nothing. It throws nothing: if the file can't be written, the speeds are lost.
  void learn(const Speeds& measured) const noexcept;

 private:
  std::filesystem::path file() const;

  std::filesystem::path folder_;
  std::string machine_, model_;
};

std::string machine_text(at::Device device, int threads);
std::string model_text(const ModelConfig& config, at::ScalarType dtype, const LoadOptions& options);

}  // namespace glm
