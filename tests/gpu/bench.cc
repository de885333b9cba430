// How fast the decode kernels are on this card: each alone, out of memory rather than the L2, and the public model's
// whole step.  gpu_bench TABLE.md COMMIT [DRIVER]
#include <ATen/ATen.h>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <fstream>

#include "tests/gpu/measure.h"
#include "tests/gpu/token_step.h"
#include "tests/support/formats.h"

namespace glm {
namespace {

using cuda::Format;

constexpr int kBatches[] = {1, 4, 8, 16};
constexpr double kBeyondL2 = 400e6;  // bytes of weights that take turns
constexpr int kContext = 840;        // a 1024 x 1024 picture's, on average
constexpr int kCapacity = 1536;

std::string with_batch(const std::string& shape, int batch) {
  return shape + ", batch " + std::to_string(batch);
}

at::TensorOptions on(const Gpu& gpu, at::ScalarType dtype) {
  return at::TensorOptions(gpu.device).dtype(dtype);
}

// Seconds of one of the calls, as a graph of them all.
double seconds_each(const Gpu& gpu, const Calls& calls) {
  const Graph graph(gpu, calls);
  const double once = seconds_of(gpu, 1, 1, [&] { graph.replay(1); });
  const int repeats = std::clamp(static_cast<int>(4e-3 / once), 1, 100);
  return seconds_of(gpu, 7, repeats, [&] { graph.replay(1); }) / static_cast<double>(calls.size());
}

struct LinearShape {
  const char* name;
  int rows, inner;
  bool activated;
};
constexpr LinearShape kLinears[] = {{"qkv", 4608, 4096, false},
                                    {"o", 4096, 4096, false},
                                    {"gate_up", 27392, 4096, true},
                                    {"down", 4096, 13696, false},
                                    {"head", 16512, 4096, false}};

void measure_linear(const Gpu& gpu, Format format, const LinearShape& shape, Table& table) {
  std::vector<at::Tensor> keep;
  std::vector<cuda::PackedWeight> weights;
  double bytes = 0;
  while (bytes * static_cast<double>(weights.size()) < kBeyondL2 || weights.size() < 3) {
    weights.push_back(random_weight(gpu, format, shape.rows, shape.inner, keep));
    bytes = weight_bytes(weights.back());
  }
  const int splits = shape.activated ? 1 : cuda::choose_splits(weights[0], gpu.about.multiprocessors);
  const at::Tensor x = at::empty({16, shape.inner}, on(gpu, at::kBFloat16)).normal_();
  const at::Tensor sums = at::empty({splits, 16, shape.rows}, on(gpu, at::kFloat));
  const at::Tensor activated = at::empty({16, shape.rows / 2}, on(gpu, at::kBFloat16));
  for (const int batch : kBatches) {
    Calls calls;
    while (calls.size() < 32 || calls.size() % weights.size() != 0) {
      cuda::Call call{};
      call.kernel = cuda::Kernel::linear;
      call.linear = {};
      call.linear.weight = weights[calls.size() % weights.size()];
      call.linear.x = bf16_of(x);
      call.linear.x_stride = shape.inner;
      call.linear.batch = batch;
      call.linear.splits = splits;
      if (shape.activated) {
        call.linear.activated = bf16_of(activated);
        call.linear.activated_stride = shape.rows / 2;
      } else {
        call.linear.sums = data_of<float>(sums);
        call.linear.sums_stride = shape.rows;
      }
      calls.push_back(call);
    }
    table.row(std::string("linear ") + name_of(format),
              with_batch(std::string(shape.name) + " " + std::to_string(shape.rows) + " x " +
                             std::to_string(shape.inner) + ", splits " + std::to_string(splits),
                         batch),
              seconds_each(gpu, calls), bytes);
  }
}

// The kernels between the products, taken out of a step of few layers, so that caches take turns.
void measure_between(const Gpu& gpu, Table& table) {
  constexpr StepShape kShape{12, 4096, 128, 32, 2, 16512, 16384, 64};
  std::vector<at::Tensor> keep;
  const StepWeights weights = make_step_weights(gpu, kShape, [&](int rows, int inner, PackedWeight::Rows) {
    return random_weight(gpu, Format::int8, rows, inner, keep);
  });
  for (const int batch : kBatches) {
    for (const int context : {kContext, 2400, 4600}) {
      const int capacity = context + 64;
      TokenStep step(gpu, weights, {.batch = batch, .capacity = capacity, .tokens = 1 << 20});
      step.reset(context);
      run(gpu, step.calls());  // finite numbers everywhere
      step.reset(context);
      Calls attention, norms, samples;
      for (const cuda::Call& call : step.calls()) {
        if (call.kernel == cuda::Kernel::attention) attention.push_back(call);
        if (call.kernel == cuda::Kernel::norm && call.norm.tokens == nullptr) norms.push_back(call);
        if (call.kernel == cuda::Kernel::sample) samples.assign(16, call);
      }
      table.row("attention", with_batch(std::to_string(context) + " positions", batch), seconds_each(gpu, attention),
                2.0 * context * 2 * 128 * 2 * batch);
      if (context != kContext) continue;
      table.row("norm", with_batch("4096", batch), seconds_each(gpu, norms), 0);
      for (cuda::Call& call : samples) call.sample.advance = 0;
      table.row("sample", with_batch("16512, top-p 0.75", batch), seconds_each(gpu, samples), 0);
    }
  }
}

// Seconds a token of the whole step.
double seconds_a_token(const Gpu& gpu, TokenStep& step, const Calls& calls, int samples, int tokens) {
  const Graph graph(gpu, calls);
  return seconds_of(gpu, samples, 1,
                    [&] {
                      step.reset(kContext - tokens / 2);
                      graph.replay(tokens);
                    }) /
         tokens;
}

void measure_step(const Gpu& gpu, Format format, Table& table) {
  std::vector<at::Tensor> keep;
  const StepWeights weights = make_step_weights(gpu, kPublicShape, [&](int rows, int inner, PackedWeight::Rows) {
    return random_weight(gpu, format, rows, inner, keep);
  });
  const double bytes = weight_bytes(weights);
  const std::string name = std::string("step ") + name_of(format);
  for (const int batch : kBatches) {
    TokenStep step(gpu, weights, {.batch = batch, .capacity = kCapacity, .tokens = 1200});
    const bool longer = batch == 1;
    table.row(name, with_batch("whole", batch),
              seconds_a_token(gpu, step, step.calls(), longer ? 3 : 2, longer ? 300 : 60), bytes);
    if (step.not_finite().any().item<bool>()) std::printf("NaN in the step: its time means nothing\n");
    if (batch != 1) {
      TokenStep rows(gpu, weights, {.batch = batch, .capacity = kCapacity, .tokens = 1200, .one_picture = true});
      table.row(name, std::to_string(batch) + " rows of a picture", seconds_a_token(gpu, rows, rows.calls(), 2, 60),
                bytes);
      continue;
    }
    const auto without = [&](const char* what, const StepParts& parts) {
      table.row(name, with_batch(what, batch), seconds_a_token(gpu, step, step.calls(parts), 2, 60), bytes);
    };
    without("no attention", {.attention = false});
    without("no norms", {.norms = false});
    without("no sample", {.sample = false});
    without("linears alone", {.attention = false, .norms = false, .sample = false});
  }
}

int bench(const std::string& file, const std::string& commit, const std::string& driver) {
  std::string why_not;
  const Gpu* const gpu = open_gpu(&why_not);
  if (gpu == nullptr) {
    std::fprintf(stderr, "gpu_bench: %s\n", why_not.c_str());
    return 1;
  }
  at::manual_seed(1);
  const Bandwidth bandwidth = measure_bandwidth(*gpu);
  release_cached_memory(gpu->device);
  Table table(bandwidth.copy);
  char date[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  char head[512];
  std::snprintf(head, sizeof head,
                "%s, %d multiprocessors, driver %s; %s; commit %s; kernels %s.\n\n"
                "Copy %.0f GB/s (read and written), sum %.0f GB/s (read), measured in this run.",
                gpu->about.name.c_str(), gpu->about.multiprocessors, driver.c_str(), date, commit.c_str(),
                gpu->library->build, 1e-9 * bandwidth.copy, 1e-9 * bandwidth.read);
  table.head(head);
  // The steps first: they are what is asked for, should time run out.
  for (const Format format : all_formats()) {
    measure_step(*gpu, format, table);
    release_cached_memory(gpu->device);
  }
  for (const Format format : all_formats()) {
    for (const LinearShape& shape : kLinears) {
      measure_linear(*gpu, format, shape, table);
      release_cached_memory(gpu->device);
    }
  }
  measure_between(*gpu, table);
  std::ofstream(file) << table.text();
  return 0;
}

}  // namespace
}  // namespace glm

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "gpu_bench TABLE.md COMMIT [DRIVER]\n");
    return 2;
  }
  try {
    return glm::bench(argv[1], argv[2], argc > 3 ? argv[3] : "?");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gpu_bench: %s\n", e.what());
    return 1;
  }
}
