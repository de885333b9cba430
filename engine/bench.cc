#include "glm/bench.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/refuse.h"
#include "engine/boundary.h"
#include "engine/call_queue.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/config.h"
#include "engine/checkpoint/dtype.h"
#include "engine/device/compute_threads.h"
#include "engine/device/device.h"
#include "engine/device/shortest_time.h"
#include "engine/run/cost.h"
#include "engine/run/measured_speeds.h"
#include "engine/run/memory.h"
#include "engine/run/precision.h"
#include "engine/run/references.h"
#include "engine/run/settings.h"
#include "glm/pipeline.h"
#include "kernels/linear.h"

namespace glm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostSamples = 20;
constexpr int kCeilingTries = 5;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> samples) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const size_t half = samples.size() / 2;
  return samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
}

BenchStage stage_of(const std::string& name, const std::string& unit, const std::vector<double>& samples) {
  return {.name = name, .samples = static_cast<int64_t>(samples.size()), .seconds = median(samples), .unit = unit};
}

// The device's limits.
struct Ceiling {
  double operations, bytes;

  Ceiling(at::Device device, at::ScalarType dtype) {
    const int64_t side = device.is_cpu() ? 1536 : 8192;
    const int64_t numbers = device.is_cpu() ? int64_t{1} << 26 : int64_t{1} << 29;
    const auto options = at::TensorOptions(dtype).device(device);
    const at::Tensor square = at::ones({side, side}, options);
    const auto cube = static_cast<double>(side * side * side);
    operations = 2 * cube / shortest_time(device, kCeilingTries, [&] { linear_layer(square, square, {}); });
    const at::Tensor many = at::ones({numbers}, options.dtype(at::kFloat));
    bytes = 4 * static_cast<double>(numbers) / shortest_time(device, kCeilingTries, [&] { many.sum(); });
  }
};

// Notes the time when each unit of a stage is done. It ends the call early when the time is up.
class Watch {
 public:
  // enough: so many units of `stage` are waited for, even if the time is up.
  Watch(at::Device device, const CancelToken* cancel, Stage stage, int64_t enough, double budget)
      : device_(device), cancel_(cancel), stage_(stage), enough_(enough), budget_(budget) {}

  // Runs a call of the pipeline. Returns false when the time was up before its end.
  bool run(const std::function<void(const Callbacks&)>& call) {
    Callbacks callbacks;
    callbacks.progress = [&](Stage stage, int64_t done, int64_t) { see(stage, done); };
    callbacks.cancel = &time_is_up_;
    try {
      call(callbacks);
      return true;
    } catch (const Error& e) {
      if (e.code() != ErrorCode::cancelled || !time_is_up_.cancelled()) throw;
      return false;
    }
  }

  struct Moment {
    int64_t done;
    double seconds;
  };
  // Returns a moment for each unit of the stage: when it was done. The first moment is the stage's beginning.
  std::vector<Moment> of(Stage stage) const {
    std::vector<Moment> own;
    for (const auto& [seen, moment] : moments_) {
      if (seen == stage) own.push_back(moment);
    }
    return own;
  }

 private:
  void see(Stage stage, int64_t done) {
    if (cancel_ != nullptr && cancel_->cancelled()) throw Error(ErrorCode::cancelled, "cancelled");
    synchronize(device_);  // a GPU may still be computing the unit
    const double now = seconds_since(begin_);
    moments_.push_back({stage, {done, now}});
    if (stage == stage_ && done >= enough_ && now > budget_) time_is_up_.cancel();
  }

  at::Device device_;
  const CancelToken* cancel_;
  Stage stage_;
  int64_t enough_;
  double budget_;
  Clock::time_point begin_ = Clock::now();
  CancelToken time_is_up_;
  std::vector<std::pair<Stage, Moment>> moments_;
};

// A grey picture of the request's size. Each one is another, so that none comes from the call cache.
Image reference_picture(const Details& details, size_t number) {
  Image picture{details.width, details.height, {}};
  picture.rgb.assign(static_cast<size_t>(3 * details.width * details.height), static_cast<uint8_t>(100 + number % 100));
  return picture;
}

// Measures the stages of an open pipeline.
class Measurement {
 public:
  Measurement(const Pipeline& pipeline, Request request, double budget, const CancelToken* cancel)
      : pipeline_(pipeline),
        request_(std::move(request)),
        details_(pipeline.details(request_)),
        device_(pipeline.device()),
        budget_(budget),
        cancel_(cancel) {}

  // Writes tokens. Measures how long the first token takes, how long each later token takes, and how many passes a
  // token needs.
  void tokens(BenchReport& report, double* passes_a_token) {
    std::vector<double> prompts, each, passes;
    repeat(Stage::tokens, /*enough=*/2, [&](Watch& watch) {
      const bool to_the_end = watch.run([&](const Callbacks& c) { pipeline_.tokens(request_, c); });
      const std::vector<Watch::Moment> seen = watch.of(Stage::tokens);
      if (seen.size() < 3) return to_the_end;
      const Watch::Moment& first = seen[1];
      const auto count = static_cast<double>(seen.back().done - first.done);
      prompts.push_back(first.seconds - seen[0].seconds);
      each.push_back((seen.back().seconds - first.seconds) / count);
      passes.push_back(static_cast<double>(seen.size() - 2) / count);
      return to_the_end;
    });
    report.stages.push_back(stage_of("prompt", "prompt", prompts));
    report.stages.push_back(stage_of("tokens", "token", each));
    *passes_a_token = median(passes);
  }

  // Computes steps for a picture whose tokens are all 0. Measures how long the quoted texts take, and how long a step
  // takes.
  void steps(BenchReport& report) {
    const Tokens tokens{details_.grid_width, details_.grid_height,
                        std::vector<int64_t>(static_cast<size_t>(details_.grid_width * details_.grid_height))};
    std::vector<double> glyphs, each;
    repeat(Stage::steps, /*enough=*/2, [&](Watch& watch) {
      const bool to_the_end = watch.run([&](const Callbacks& c) { pipeline_.latents(request_, {tokens}, c); });
      add_differences(watch.of(Stage::glyphs), glyphs);
      add_differences(watch.of(Stage::steps), each);
      return to_the_end;
    });
    report.stages.push_back(stage_of("glyphs", "prompt", glyphs));
    report.stages.push_back(stage_of("step", "step", each));
  }

  void pixels(BenchReport& report) {
    Latents latents{details_.latent_channels, details_.latent_height, details_.latent_width, {}};
    latents.values.resize(static_cast<size_t>(latents.channels * latents.height * latents.width));
    for (size_t i = 0; i < latents.values.size(); ++i) latents.values[i] = static_cast<float>(i % 7) / 4 - 0.75f;
    std::vector<double> each;
    repeat(Stage::pixels, /*enough=*/1, [&](Watch& watch) {
      watch.run([&](const Callbacks& c) { pipeline_.pixels(request_, {latents}, c); });
      add_differences(watch.of(Stage::pixels), each);
      return true;
    });
    report.stages.push_back(stage_of("pixels", "picture", each));
  }

  // Reads a picture to start from. The call ends before the tokens. Where memory is too small it isn't measured.
  void references(BenchReport& report) {
    std::vector<double> each;
    Request request = request_;
    size_t number = 0;
    const auto read = [&](const Watch&) {
      request.references = {reference_picture(details_, number++)};
      Watch watch(device_, cancel_, Stage::references, /*enough=*/1, /*budget=*/0);
      watch.run([&](const Callbacks& c) { pipeline_.tokens(request, c); });
      add_differences(watch.of(Stage::references), each);
      return true;
    };
    try {
      repeat(Stage::references, /*enough=*/1, read);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::memory) throw;  // a picture without references fits all the same
    }
    report.stages.push_back(stage_of("references", "reference", each));
  }

 private:
  // Measures again and again until the budget is used up. measure: returns false when its call was ended early, and
  // then it isn't called again.
  void repeat(Stage stage, int64_t enough, const std::function<bool(Watch&)>& measure) {
    const Clock::time_point begin = Clock::now();
    for (size_t i = 0; i < kMostSamples; ++i) {
      Watch watch(device_, cancel_, stage, enough, budget_ - seconds_since(begin));
      if (!measure(watch) || seconds_since(begin) > budget_) return;
    }
  }

  static void add_differences(const std::vector<Watch::Moment>& seen, std::vector<double>& to) {
    for (size_t i = 1; i < seen.size(); ++i) to.push_back(seen[i].seconds - seen[i - 1].seconds);
  }

  const Pipeline& pipeline_;
  Request request_;
  Details details_;
  at::Device device_;
  double budget_;
  const CancelToken* cancel_;
};

// Computes how much work each stage does in a second. Stores these speeds for plan().
void add_rates(BenchReport& report, const CheckpointName& name, const ModelConfig& config, const Request& request,
               const LoadOptions& options, double passes_a_token) {
  const at::Device device(report.device);
  const at::ScalarType dtype = compute_dtype(report.dtype, config.dtype);
  const Settings settings = settle(request, config);
  const Work work = work_of(config, settings.canvas(), kPromptLength, {});
  Speeds speeds;
  double prompt = 0;
  for (BenchStage& stage : report.stages) {
    if (stage.samples == 0) continue;
    double units = 1;
    if (stage.name == "load" && !name.random) {
      stage.bytes = bytes_of_weights(name, config, dtype, Precision::of(options.precision)) / stage.seconds;
    }
    if (stage.name == "prompt") prompt = stage.seconds;
    if (stage.name == "tokens") {
      const double bytes = bytes_of_pass(name, config, dtype, Precision::of(options.precision));
      stage.bytes = bytes * passes_a_token / stage.seconds;
      units = static_cast<double>(work.tokens);
      speeds.read = work.read * units / (prompt + units * stage.seconds);
    }
    if (stage.name == "step") {
      stage.operations = speeds.step = work.step / stage.seconds;
      units = static_cast<double>(settings.steps);
    }
    if (stage.name == "pixels") stage.operations = speeds.pixels = work.pixels / stage.seconds;
    if (stage.name == "references") {
      const Grid grid = reference_grid(config, reference_picture(report.details, 0));
      const Work read = work_of(config, settings.canvas(), kPromptLength, {grid});
      stage.operations = speeds.references = read.references / stage.seconds;
    }
    if (stage.name != "load" && stage.name != "references") report.seconds += units * stage.seconds;
  }
  MeasuredSpeeds::of(device, report.threads, config, dtype, options).learn(speeds);
}

}  // namespace

BenchReport bench(const std::filesystem::path& checkpoint, const LoadOptions& options, const Request& asked,
                  double budget, const std::function<void(const std::string&)>& begin) {
  Request request = asked;
  request.seeds.resize(1);
  if (!(budget > 0)) refuse("budget", "more than 0 seconds", std::to_string(budget));
  const Clock::time_point at = Clock::now();
  begin("the load");
  const Pipeline pipeline(checkpoint, options);
  BenchReport report{.device = pipeline.device(),
                     .product = {},
                     .dtype = pipeline.dtype(),
                     .precision = Precision::of(options.precision).text(),
                     .details = pipeline.details(request),
                     .stages = {stage_of("load", "checkpoint", {seconds_since(at)})}};
  pipeline.check(request);
  report.product = product_of(at::Device(report.device));
  const at::Device device(report.device);
  Measurement measurement(pipeline, request, budget, options.cancel);
  double passes_a_token = 1;
  begin("the tokens");
  measurement.tokens(report, &passes_a_token);
  begin("the steps");
  measurement.steps(report);
  begin("the pixels");
  measurement.pixels(report);
  report.peak_bytes = guarded(device, [&] { return peak_memory_of(device); });
  begin("the reading of a picture");
  measurement.references(report);
  begin("the device's limits");
  CallQueue queue;  // LibTorch's number of threads is set on its thread alone, which ends here
  queue.run([&] {
    guarded(device, [&] {
      std::string few;
      report.threads = start_compute_threads(threads_asked(options.threads), &few);
      const CheckpointName name(checkpoint);
      const ModelConfig config(name.folder);
      const Ceiling ceiling(device, compute_dtype(report.dtype, config.dtype));
      report.operations = ceiling.operations;
      report.bytes = ceiling.bytes;
      add_rates(report, name, config, request, options, passes_a_token);
    });
  });
  return report;
}

}  // namespace glm
