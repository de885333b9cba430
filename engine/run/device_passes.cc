#include "engine/run/device_passes.h"

#include <ATen/ATen.h>

namespace glm {

DevicePasses::DevicePasses(const PriorTransformer& transformer, const cuda::Library& library,
                           const std::vector<DevicePicture>& pictures, const TokenRules& rules)
    : decoder_(transformer, library, pictures, rules, DeviceDecoder::Pass::several) {
  for (const DevicePicture& picture : pictures) {
    pictures_.push_back({.cells = picture.cells,
                         .seed = picture.seed,
                         .numbers = PositionNumbers(RandomNumbers::of(picture.rng, picture.seed))});
  }
}

DevicePasses::~DevicePasses() = default;

// Puts the exponentials of the rows' positions where the kernel reads them.
void DevicePasses::send_exponentials(std::span<const PassRow> rows) {
  if (!decoder_.exponentials.defined()) return;
  const int64_t ids = decoder_.exponentials.size(1);
  std::vector<at::Tensor> all;
  for (const PassRow& row : rows) {
    all.push_back(pictures_[static_cast<size_t>(row.picture)].numbers.exponential(row.count, ids));
  }
  decoder_.exponentials.slice(0, 0, static_cast<int64_t>(all.size())).copy_(at::cat(all));
}

void DevicePasses::send(std::span<const PassRow> rows) {
  at::Tensor state = at::zeros(decoder_.state.sizes(), at::kInt);
  at::Tensor seeds = at::zeros(decoder_.seeds.sizes(), at::kLong);
  auto own = state.accessor<int, 2>();
  for (size_t i = 0; i < rows.size(); ++i) {
    const PassRow& row = rows[i];
    const Picture& picture = pictures_[static_cast<size_t>(row.picture)];
    const auto r = static_cast<int64_t>(i);
    own[DeviceDecoder::kCounts][r] = static_cast<int>(row.count);
    own[DeviceDecoder::kLengths][r] = static_cast<int>(row.place);
    own[DeviceDecoder::kTokens][r] = static_cast<int>(row.token);
    own[DeviceDecoder::kTotals][r] = static_cast<int>(picture.cells + 1);
    own[DeviceDecoder::kPictures][r] = static_cast<int>(row.picture);
    seeds[r] = static_cast<int64_t>(picture.seed);
  }
  decoder_.state.copy_(state);
  decoder_.seeds.copy_(seeds);
  send_exponentials(rows);
}

// Waits for the pass.
std::vector<Draw> DevicePasses::drawn(int64_t rows) const {
  const at::Tensor state = decoder_.state.cpu();
  const auto own = state.accessor<int, 2>();
  std::vector<Draw> all;
  for (int64_t r = 0; r < rows; ++r) {
    all.push_back({.token = own[DeviceDecoder::kTokens][r], .is_finite = own[DeviceDecoder::kNotFinite][r] == 0});
  }
  return all;
}

std::vector<Draw> DevicePasses::draw_first() {
  std::vector<PassRow> rows;
  for (size_t i = 0; i < pictures_.size(); ++i) rows.push_back({.picture = static_cast<int64_t>(i)});
  send_exponentials(rows);
  decoder_.draw_first();
  return drawn(static_cast<int64_t>(rows.size()));
}

void DevicePasses::prepare(int64_t rows) {
  decoder_.record(rows);
}

std::vector<Draw> DevicePasses::draw(std::span<const PassRow> rows, const std::function<void()>& /*poll*/) {
  send(rows);
  decoder_.replay(static_cast<int64_t>(rows.size()), 1);
  return drawn(static_cast<int64_t>(rows.size()));
}

void DevicePasses::accept(int64_t picture, int64_t, int64_t count) {
  pictures_[static_cast<size_t>(picture)].numbers.advance(count);
}

}  // namespace glm
