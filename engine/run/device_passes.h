// Passes with several rows of a picture, by our CUDA kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/components/prior_transformer.h"
#include "engine/run/device_decoder.h"
#include "engine/run/look_ahead_writer.h"
#include "engine/run/position_numbers.h"
#include "engine/run/token_rules.h"
#include "kernels/cuda/library.h"

namespace glm {

class DevicePasses : public RowPasses {
 public:
  // transformer: packed; it and the library have to outlive this. pictures: 1 to 16. Throws Error(memory) when the GPU
  // has too little; the functions throw Error(internal) when a kernel fails.
  DevicePasses(const PriorTransformer& transformer, const cuda::Library& library,
               const std::vector<DevicePicture>& pictures, const TokenRules& rules);
  ~DevicePasses() override;
  DevicePasses(const DevicePasses&) = delete;
  DevicePasses& operator=(const DevicePasses&) = delete;

  std::vector<Draw> draw_first() override;
  void prepare(int64_t rows) override;
  std::vector<Draw> draw(std::span<const PassRow> rows, const std::function<void()>& poll) override;
  void accept(int64_t picture, int64_t first, int64_t count) override;

 private:
  // What the host knows of a picture.
  struct Picture {
    int64_t cells = 0;
    uint64_t seed = 0;
    PositionNumbers numbers;  // with --rng cpu; with --rng cuda the kernel draws them
  };

  void send(std::span<const PassRow> rows);
  void send_exponentials(std::span<const PassRow> rows);
  std::vector<Draw> drawn(int64_t rows) const;

  DeviceDecoder decoder_;
  std::vector<Picture> pictures_;
};

}  // namespace glm
