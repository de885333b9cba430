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

// What is done in a second, in the units of Work; 0: never measured.
struct Speeds {
  double references = 0;
  double read = 0;  // weights, when a picture's tokens are written by as many passes as it has tokens
  double step = 0;
  double pixels = 0;
};

// Returns the speeds that the times of one picture's stages show. Stages that weren't computed have none.
Speeds speeds_of(const Work& work, std::span<const Result::StageTime> times);

class MeasuredSpeeds {
 public:
  // folder: of the cache; nothing is stored when it is empty. machine: the device, how many threads compute, and the
  // build. model: the shapes of a model, and how it computes. machine_text() and model_text() write them.
  MeasuredSpeeds(std::filesystem::path folder, std::string machine, std::string model)
      : folder_(std::move(folder)), machine_(std::move(machine)), model_(std::move(model)) {}

  // Returns what was measured. A file that isn't there, or isn't as learn() writes it, holds nothing.
  Speeds read() const;

  // Stores what was measured now, half and half with what is known already. A difference of less than a twentieth isn't
  // stored. Throws nothing: where the file can't be written, nothing is learnt.
  void learn(const Speeds& measured) const noexcept;

 private:
  std::filesystem::path file() const;

  std::filesystem::path folder_;
  std::string machine_, model_;
};

std::string machine_text(at::Device device, int threads);
std::string model_text(const ModelConfig& config, at::ScalarType dtype, const LoadOptions& options);

}  // namespace glm
