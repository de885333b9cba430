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
  // folder: where the files are. If it is empty, nothing is stored. machine: names the device, the number of threads
  // and the build. model: names the shapes of a model, and how it computes.
  MeasuredSpeeds(std::filesystem::path folder, std::string machine, std::string model)
      : folder_(std::move(folder)), machine_(std::move(machine)), model_(std::move(model)) {}

  // Returns the speeds of this machine and model in the cache folder.
  static MeasuredSpeeds of(at::Device device, int threads, const ModelConfig& config, at::ScalarType dtype,
                           const LoadOptions& options);

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

}  // namespace glm
