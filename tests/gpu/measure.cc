#include "tests/gpu/measure.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace glm {

double seconds_of(const Gpu& gpu, int samples, int repeats, const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> all;
  for (int i = 0; i <= samples; ++i) {
    synchronize(gpu.device);
    const Clock::time_point begin = Clock::now();
    for (int k = 0; k < repeats; ++k) work();
    synchronize(gpu.device);
    if (i > 0) all.push_back(std::chrono::duration<double>(Clock::now() - begin).count() / repeats);
  }
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

Bandwidth measure_bandwidth(const Gpu& gpu) {
  const int64_t bytes = int64_t{2} << 30;
  const at::TensorOptions floats = at::TensorOptions(gpu.device).dtype(at::kFloat);
  const at::Tensor from = at::empty({bytes / 4}, floats).normal_();
  const at::Tensor to = at::empty({bytes / 4}, floats);
  const double copy = seconds_of(gpu, 15, 10, [&] { to.copy_(from); });
  const double sum = seconds_of(gpu, 15, 10, [&] { (void)from.sum(); });
  return {2.0 * static_cast<double>(bytes) / copy, static_cast<double>(bytes) / sum};
}

void Table::add(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
  text_ += line + "\n";
}

void Table::head(const std::string& text) {
  add(text);
  add("");
  add("| kernel | shape | ms | GB/s | % of copy |");
  add("|---|---|---|---|---|");
}

void Table::row(const std::string& kernel, const std::string& shape, double seconds, double bytes) {
  char line[256];
  if (bytes > 0) {
    std::snprintf(line, sizeof line, "| %s | %s | %.4f | %.0f | %.1f |", kernel.c_str(), shape.c_str(), 1e3 * seconds,
                  1e-9 * bytes / seconds, 100 * bytes / seconds / copy_);
  } else {
    std::snprintf(line, sizeof line, "| %s | %s | %.4f | | |", kernel.c_str(), shape.c_str(), 1e3 * seconds);
  }
  add(line);
}

}  // namespace glm
