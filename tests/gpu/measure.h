// Times on the card, and the table they go to.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/gpu/gpu.h"

namespace glm {

// Seconds of one call of `work`, which queues on the card: the median of `samples`, each of them `repeats` calls
// between two synchronisations; one more sample goes before.
double seconds_of(const Gpu& gpu, int samples, int repeats, const std::function<void()>& work);

struct Bandwidth {
  double copy;  // bytes per second, read and written
  double read;
};
Bandwidth measure_bandwidth(const Gpu& gpu);

// Markdown rows: kernel, shape, ms, GB/s, part of the copy bandwidth. Printed as they come.
class Table {
 public:
  explicit Table(double copy) : copy_(copy) {}
  void head(const std::string& text);
  void row(const std::string& kernel, const std::string& shape, double seconds, double bytes);  // bytes 0: no rate
  const std::string& text() const { return text_; }

 private:
  void add(const std::string& line);

  double copy_;
  std::string text_;
};

}  // namespace glm
