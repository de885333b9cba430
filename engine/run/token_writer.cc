#include "engine/run/token_writer.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <optional>

#include "engine/components/layers/finite.h"

namespace glm {
namespace {

constexpr int64_t kBlockTokens = 32;  // tokens of a picture between two looks at what was written

// A tensor of the host that the device copies to or from without waiting.
at::Tensor beside(const at::Tensor& on_device) {
  return at::empty(on_device.sizes(), on_device.options().device(at::kCPU).pinned_memory(!on_device.device().is_cpu()));
}

}  // namespace

TokenWriter::TokenWriter(const PriorTransformer& transformer, const cuda::Library& library,
                         const std::vector<DevicePicture>& pictures, const TokenRules& rules)
    : rules_(rules),
      pictures_(static_cast<int64_t>(pictures.size())),
      decoder_(transformer, library, pictures, rules, DeviceDecoder::Pass::one_of_each) {
  for (const DevicePicture& picture : pictures) {
    totals_.push_back(picture.cells + 1);
    if (decoder_.exponentials.defined()) random_.push_back(std::make_unique<CpuRandom>(picture.seed));
  }
  draw_exponentials();
  decoder_.draw_first();
  decoder_.record(pictures_);
}

TokenWriter::~TokenWriter() = default;

void TokenWriter::draw_exponentials() {
  if (random_.empty()) return;
  at::Tensor host = beside(decoder_.exponentials);
  for (int64_t k = 0; k < pictures_; ++k) {
    host[k].copy_(random_[static_cast<size_t>(k)]->exponential({host.size(1)}));
  }
  decoder_.exponentials.copy_(host, /*non_blocking=*/true);
}

void TokenWriter::queue(int64_t steps) {
  if (random_.empty()) {
    decoder_.replay(pictures_, steps);
    return;
  }
  for (int64_t i = 0; i < steps; ++i) {
    draw_exponentials();
    decoder_.replay(pictures_, 1);
  }
}

struct TokenWriter::ReadBack {
  explicit ReadBack(const DeviceDecoder& d) : state(beside(d.state)), written(beside(d.written)) {
    if (!d.state.device().is_cpu()) arrived.emplace(c10::DeviceType::CUDA);
  }

  void fetch(const DeviceDecoder& d) {
    state.copy_(d.state, /*non_blocking=*/true);
    written.copy_(d.written, /*non_blocking=*/true);
    if (arrived) arrived->record(c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getStream(d.state.device()));
  }

  at::Tensor state, written;
  std::optional<c10::Event> arrived;  // none where tests run the kernels' bodies on the host
};

// Says which of these ids end a picture. ids: i64 or i32 [n] -> bool [n]
at::Tensor TokenWriter::ends_in(const at::Tensor& ids) const {
  return at::isin(ids, at::tensor(rules_.eos, ids.options()));
}

// Waits for a block and reports it to `done`. Returns whether every picture has ended. Throws Error(model).
bool TokenWriter::see(const ReadBack& block, const std::function<void(int64_t)>& done) const {
  if (block.arrived) block.arrived->synchronize();
  const auto state = block.state.accessor<int, 2>();
  int64_t sum = 0;
  bool all = true;
  for (int64_t k = 0; k < pictures_; ++k) {
    if (state[DeviceDecoder::kNotFinite][k] != 0) throw not_finite("prior's logits");
    const int64_t count = state[DeviceDecoder::kCounts][k];
    sum += count;
    const bool ended = count >= totals_[static_cast<size_t>(k)] ||
                       (!rules_.mask && ends_in(block.written[k].slice(0, 0, count)).any().item<bool>());
    all = all && ended;
  }
  done(sum);
  return all;
}

std::vector<at::Tensor> TokenWriter::run(const std::function<void(int64_t)>& done) {
  ReadBack blocks[2] = {ReadBack(decoder_), ReadBack(decoder_)};
  blocks[0].fetch(decoder_);
  const int64_t longest = decoder_.written.size(1);
  int64_t queued = 1;
  int current = 0;
  while (queued < longest) {  // the GPU computes one block while the host looks at the one before
    const int64_t steps = std::min(kBlockTokens, longest - queued);
    queue(steps);
    queued += steps;
    blocks[1 - current].fetch(decoder_);
    const bool ended = see(blocks[current], done);
    current = 1 - current;
    if (ended) break;
  }
  see(blocks[current], done);

  std::vector<at::Tensor> tokens;
  for (int64_t k = 0; k < pictures_; ++k) {
    const int64_t total = totals_[static_cast<size_t>(k)];
    const at::Tensor row = blocks[current].written[k].slice(0, 0, total).to(at::kLong);
    int64_t count = std::min<int64_t>(total, blocks[current].state[DeviceDecoder::kCounts][k].item<int>());
    if (!rules_.mask) {
      const at::Tensor ends = ends_in(row.slice(0, 0, count)).nonzero();
      if (ends.numel() > 0) count = ends[0].item<int64_t>() + 1;
    }
    tokens.push_back(row.slice(0, 0, count).unsqueeze(0).clone());
  }
  return tokens;
}

}  // namespace glm
