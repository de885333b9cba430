#include "glm/safety.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <optional>

#include "base/refuse.h"
#include "base/text.h"
#include "engine/boundary.h"
#include "engine/call_queue.h"
#include "engine/checkpoint/safety_config.h"
#include "engine/components/safety_checker.h"
#include "engine/device/compute_threads.h"
#include "engine/device/device.h"
#include "engine/device/upload.h"
#include "pictures/clip_crop.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

void check_picture(const Image& image) {
  const bool sides =
      image.width >= 1 && image.height >= 1 && image.width <= kMaxClipSide && image.height <= kMaxClipSide;
  if (!sides) {
    refuse("picture", "sides of 1 to " + std::to_string(kMaxClipSide) + " pixels",
           size_text(image.width, image.height));
  }
  const auto bytes = static_cast<size_t>(3 * image.width * image.height);
  if (image.rgb.size() != bytes) {
    refuse("picture", std::to_string(bytes) + " bytes for " + size_text(image.width, image.height),
           std::to_string(image.rgb.size()) + " bytes");
  }
}

// The weights of a checker, read and checked.
ConceptChecker load(const SafetyFolder& folder, const SafetyConfig& config, at::Device device) {
  const auto uploader = device.is_cpu() ? nullptr : std::make_shared<Uploader>(device);
  const Weights weights(folder.checker, at::kFloat, uploader);
  ConceptChecker checker(weights, config);
  weights.check_all_claimed();
  if (uploader != nullptr) uploader->finish();
  // A pipeline only warns of this. Here each picture would pass, and nobody would look at a warning.
  for (const std::string& damage : weights.warnings()) throw Error(ErrorCode::model, damage);
  return checker;
}

}  // namespace

// As Pipeline::Engine.
struct SafetyChecker::Engine {
  Engine(const fs::path& folder, const SafetyOptions& options) : threads(threads_asked(options.threads)) {
    queue.run([&] { open(options.device); });
    queue.run([&] {
      guarded(to, [&] {
        const SafetyFolder files(folder);
        const SafetyConfig config(files);
        rule = {.shortest_edge = config.shortest_edge, .side = config.image_size};
        network.emplace(load(files, config, to));
      });
    });
  }
  ~Engine() {
    try {
      queue.run([&] {
        network.reset();
        at::set_num_threads(threads);
        team.note_team();
      });
    } catch (...) {  // no memory is left to queue a call; the members' own destructors free all
    }
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // A call of its own, as in Pipeline.
  void open(const std::string& device) {
    std::string few;  // a pipeline says it, too
    to = guarded(at::kCPU, [&] { return open_device(device); });
    guarded(to, [&] {
      check_libtorch();
      threads = start_compute_threads(threads, &few);
      compute_once();
    });
  }

  SafetyScores check(const Image& image) const {
    return guarded(to, [&]() -> SafetyScores {
      at::set_num_threads(threads);
      const Image seen = clip_crop(image, rule);
      const at::Tensor bytes = at::tensor(seen.rgb, at::kByte).view({1, seen.height, seen.width, 3});
      const at::Tensor pixels = network->normalized(bytes.permute({0, 3, 1, 2}).contiguous());
      ConceptScores scores = network->forward(pixels, {});
      return {.flagged = scores.flagged, .concepts = std::move(scores.concepts), .special = std::move(scores.special)};
    });
  }

  int threads;
  at::Device to = at::kCPU;
  ClipCropRule rule;
  std::optional<ConceptChecker> network;
  EndOfTeam team;
  CallQueue queue;  // the last member: its thread ends before the others are destroyed
};

SafetyChecker::SafetyChecker(const fs::path& folder, const SafetyOptions& options)
    : engine_(guarded(at::kCPU, [&] {
        const auto destroy = [](Engine* engine) {  // as Pipeline's
          if (!engine->queue.is_in_child()) delete engine;
        };
        return std::shared_ptr<Engine>(new Engine(folder, options), destroy);
      })) {}
SafetyChecker::~SafetyChecker() = default;
SafetyChecker::SafetyChecker(SafetyChecker&&) noexcept = default;
SafetyChecker& SafetyChecker::operator=(SafetyChecker&&) noexcept = default;

SafetyScores SafetyChecker::check(const Image& image) const {
  return guarded(at::kCPU, [&] {
    const std::shared_ptr<Engine> engine = engine_;
    if (engine == nullptr) refuse("", "a safety checker that is loaded", "one that was moved from");
    engine->queue.check_process();
    check_picture(image);
    SafetyScores scores;
    engine->queue.run([&] { scores = engine->check(image); });
    return scores;
  });
}

}  // namespace glm
