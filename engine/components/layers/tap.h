// Named results of the stages. The code, `--dump`, `--inject`, the goldens and the docs use the same names
// (engine/README.md lists them).
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <utility>

namespace glm {

// Hands tensors to a sink under the name "prefix + name". Without a sink it does nothing.
class Tap {
 public:
  enum class Level { stages, full };  // full: results from inside a stage, too
  using Sink = std::function<void(const std::string& name, const at::Tensor&)>;

  Tap() = default;
  Tap(Sink sink, Level level, std::string prefix = "")
      : sink_(std::move(sink)), level_(level), prefix_(std::move(prefix)) {}

  Tap operator/(const std::string& name) const { return {sink_, level_, prefix_ + name + "."}; }

  bool wanted() const { return static_cast<bool>(sink_); }
  bool wants_full() const { return sink_ && level_ == Level::full; }

  void stage(const std::string& name, const at::Tensor& value) const {
    if (sink_) sink_(prefix_ + name, value);
  }
  void full(const std::string& name, const at::Tensor& value) const {
    if (wants_full()) sink_(prefix_ + name, value);
  }

 private:
  Sink sink_;
  Level level_ = Level::stages;
  std::string prefix_;
};

}  // namespace glm
