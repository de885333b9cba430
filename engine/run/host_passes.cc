#include "engine/run/host_passes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace glm {

struct HostPasses::Picture {
  HostPicture asked;
  std::vector<at::Tensor> logits = {};  // of what is written, [1, V] each
};

HostPasses::HostPasses(const PriorTransformer& transformer, std::vector<HostPicture> pictures, const TokenRules& rules,
                       bool keeps_logits)
    : rules_(rules), keeps_logits_(keeps_logits), decoder_(transformer), sampler_(rules.sampling) {
  for (HostPicture& asked : pictures) pictures_.push_back({.asked = std::move(asked)});
}

HostPasses::~HostPasses() = default;

// Draws a token from a row of logits_. position: the picture and the position that the token is drawn for
Draw HostPasses::draw_from(int64_t row, const PassRow& position) {
  Picture& own = pictures_[static_cast<size_t>(position.picture)];
  const int64_t ids = logits_.size(1);
  const float* const logits = logits_.const_data_ptr<float>() + row * ids;
  // The picture's last token may have any id. Normally it is the end token.
  const bool any = !rules_.mask || position.count == own.asked.cells;
  const float* const exponential =
      rules_.sampling.greedy ? nullptr : own.asked.numbers.exponential(position.count, ids).const_data_ptr<float>();
  return {.token = sampler_.sample(logits, exponential, ids, any ? ids : rules_.codebook),
          .is_finite = std::all_of(logits, logits + ids, [](float v) { return std::isfinite(v); })};
}

std::vector<Draw> HostPasses::draw_first() {
  std::vector<at::Tensor> all;
  for (const Picture& picture : pictures_) all.push_back(picture.asked.logits);
  logits_ = at::cat(all).to(at::kFloat).contiguous();
  std::vector<Draw> drawn;
  for (int64_t i = 0; i < logits_.size(0); ++i) drawn.push_back(draw_from(i, {.picture = i}));
  return drawn;
}

std::vector<Draw> HostPasses::draw(std::span<const PassRow> rows, const std::function<void()>& poll) {
  std::vector<HostRow> fed;
  for (const PassRow& row : rows) {
    const Picture& picture = pictures_[static_cast<size_t>(row.picture)];
    fed.push_back({.state = picture.asked.state, .place = row.place, .token = row.token});
  }
  logits_ = decoder_.forward(fed, poll);
  std::vector<Draw> drawn;
  for (const PassRow& row : rows) {
    drawn.push_back(draw_from(static_cast<int64_t>(drawn.size()), row));
  }
  return drawn;
}

void HostPasses::accept(int64_t picture, int64_t first, int64_t count) {
  Picture& own = pictures_[static_cast<size_t>(picture)];
  own.asked.numbers.advance(count);
  if (!keeps_logits_) return;
  for (int64_t i = first; i < first + count; ++i) own.logits.push_back(logits_.slice(0, i, i + 1).clone());
}

at::Tensor HostPasses::logits_of(int64_t picture) const {
  const std::vector<at::Tensor>& kept = pictures_[static_cast<size_t>(picture)].logits;
  return kept.empty() ? at::Tensor() : at::stack(kept, 1);
}

}  // namespace glm
