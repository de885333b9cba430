#include <ATen/ATen.h>

#include <cmath>

#include "engine/device/trust/kernel_trials.h"
#include "engine/device/trust/trial_tensors.h"
#include "glm/kernel_verdicts.h"
#include "kernels/cuda/formats.h"
#include "kernels/decode_reference.h"
#include "kernels/packed_weight.h"

namespace glm {
namespace {

using cuda::Format;
using Rows = PackedWeight::Rows;

// How far fp32 sums in another order may differ. Tensor cores also cut theirs off instead of rounding.
constexpr double kSums = 1e-4;
// Bytes: the copies of a weight that timed calls take one after the other are more than a card's cache holds.
constexpr int64_t kBeyondCaches = int64_t{128} << 20;

struct Shape {
  int64_t rows = 0, inner = 0;
  Rows order = Rows::plain;
  bool coded = true;              // also of a checkpoint's codes
  int64_t group = 128;            // columns of a group of codes
  int64_t packed_at_once = 1024;  // rows: packing takes many times the memory of the rows that it packs
};
constexpr Shape kSmall[] = {{48, 384, Rows::plain, true, 32, 32}, {80, 256, Rows::gate_up, true, 64, 32}};
// qkv, o, MLP, lm_head. Of codes the shape of o is near that of qkv, and lm_head has none.
constexpr Shape kReal[] = {{4608, 4096},
                           {4096, 4096, Rows::plain, /*coded=*/false},
                           {27392, 4096, Rows::gate_up},
                           {4096, 13696},
                           {16512, 4096, Rows::plain, /*coded=*/false}};

struct Weight {
  at::Tensor dense;         // bf16 [rows, inner]: what the kernels compute with
  at::Tensor tiles;         // u8 [packed_bytes]
  at::Tensor row_scales;    // fp32 [rows], or empty
  at::Tensor group_scales;  // i32 [scale_words], or empty
  cuda::PackedWeight packed{};
};

// Returns a view of `count` bytes at a pointer of the device of `like`: u8 [count].
at::Tensor bytes_at(const void* data, int64_t count, const at::Tensor& like) {
  return at::from_blob(const_cast<void*>(data), {count}, like.options().dtype(at::kByte));
}

// Packs a weight part by part, a few rows at a time. That works because the tiles of these rows follow each other; with
// gate_up a part has as many rows of gate as of up.
Weight make_weight(const TrialTensors& make, Format format, const Shape& s) {
  const bool row_scaled = cuda::with_format(format, [](auto row) { return decltype(row)::kRowScaled; });
  const int64_t group = cuda::row_of(format).coded ? s.group : cuda::kGroupInner;
  const int64_t scale_words = cuda::scale_words(format, s.rows, s.inner, group);
  const auto whole = [&](int64_t low, int64_t high, at::IntArrayRef shape) {
    return make.whole(low, high, shape, at::kFloat);
  };
  Weight w;
  w.dense = at::empty({s.rows, s.inner}, make.on(at::kBFloat16));
  w.tiles = at::empty({cuda::packed_bytes(format, s.rows, s.inner)}, make.on(at::kByte));
  w.row_scales = at::empty({row_scaled ? s.rows : 0}, make.on(at::kFloat));
  w.group_scales = at::empty({scale_words}, make.on(at::kInt));
  const at::Tensor row_bytes = w.row_scales.view(at::kByte);
  const at::Tensor group_bytes = w.group_scales.view(at::kByte);
  for (int64_t first = 0; first < s.rows; first += s.packed_at_once) {
    const int64_t count = std::min(s.packed_at_once, s.rows - first);
    const PackedWeight part = PackedWeight::drawn(format, {count, s.inner}, s.group, s.order, whole);
    const cuda::PackedWeight p = part.parameters();
    const auto put = [&](const at::Tensor& all, const void* from) {
      const int64_t row = all.size(0) / s.rows;
      if (row > 0) all.slice(0, first * row, (first + count) * row).copy_(bytes_at(from, count * row, all));
    };
    put(w.tiles, p.tiles);
    put(row_bytes, p.row_scales);
    put(group_bytes, p.group_scales);
    const auto halves = part.dense().chunk(s.order == Rows::gate_up ? 2 : 1);
    for (size_t half = 0; half < halves.size(); ++half) {
      const int64_t to = static_cast<int64_t>(half) * s.rows / 2 + first / static_cast<int64_t>(halves.size());
      w.dense.slice(0, to, to + halves[half].size(0)).copy_(halves[half]);
    }
  }
  w.packed = {.tiles = w.tiles.const_data_ptr(),
              .row_scales = row_scaled ? w.row_scales.const_data_ptr<float>() : nullptr,
              .group_scales = scale_words > 0 ? data_of<const uint32_t>(w.group_scales) : nullptr,
              .rows = static_cast<int>(s.rows),
              .inner = static_cast<int>(s.inner),
              .group = scale_words > 0 ? static_cast<int>(group) : 0,
              .format = format};
  return w;
}

std::vector<at::Tensor> copies_of(const at::Tensor& tensor) {
  std::vector<at::Tensor> copies = {tensor};
  for (int64_t bytes = tensor.nbytes(); bytes < kBeyondCaches; bytes += tensor.nbytes()) {
    copies.push_back(tensor.clone());
  }
  return copies;
}

// Adds what is timed: our calls and ATen's operations, with copies of the weight that no cache holds together.
void add_timing(KernelTrial& t, const Weight& w, const Shape& s) {
  const at::Tensor x = t.inputs.front();
  for (const at::Tensor& tiles : copies_of(w.tiles)) {
    t.timed.push_back(t.call);
    t.timed.back().linear.weight.tiles = tiles.const_data_ptr();
    t.inputs.push_back(tiles);
  }
  t.aten = [weights = copies_of(w.dense), x, gate_up = s.order == Rows::gate_up](int call) {
    const at::Tensor y = at::linear(x, weights[static_cast<size_t>(call) % weights.size()]);
    if (!gate_up) return;
    const auto both = y.chunk(2, -1);
    at::silu(both[0]).mul_(both[1]);
  };
}

struct Run {
  int batch;
  int splits;
};

KernelTrial make_trial(const TrialTensors& make, const Weight& w, const Shape& s, const Run& run) {
  const bool gate_up = s.order == Rows::gate_up;
  at::Tensor x = make.normal({run.batch, s.inner}, at::kBFloat16);
  if (gate_up) {  // x is such that gates are about 2
    const auto spread = w.dense.slice(0, 0, 16).to(at::kFloat).std().item<double>();
    x = (x * (2 / spread / std::sqrt(static_cast<double>(s.inner)))).to(at::kBFloat16);
  }
  const at::Tensor padded = make.poison({run.batch, s.inner + 8}, at::kBFloat16);
  padded.slice(1, 0, s.inner).copy_(x);
  KernelTrial t;
  t.kernel = gate_up ? "gate|up" : "linear";
  t.format = cuda::row_of(w.packed.format).name;
  t.shape = std::to_string(s.rows) + " x " + std::to_string(s.inner);
  t.allowed = gate_up ? kBf16Step : kSums;
  t.repeatable = true;
  t.inputs = {x, padded, w.dense, w.tiles, w.row_scales, w.group_scales};
  t.call.kernel = cuda::Kernel::linear;
  t.call.linear = {};
  t.call.linear.weight = w.packed;
  t.call.linear.x = bf16_of(padded);
  t.call.linear.x_stride = static_cast<int>(s.inner) + 8;
  t.call.linear.batch = run.batch;
  t.call.linear.splits = run.splits;
  t.call.linear.sums_stride = static_cast<int>(s.rows);
  if (gate_up) {
    const at::Tensor out = make.poison({run.batch, s.rows / 2}, at::kBFloat16);
    t.written = {writes(out)};
    t.call.linear.activated = bf16_of(out);
    t.call.linear.activated_stride = static_cast<int>(s.rows / 2);
    t.judge = [x, out, dense = w.dense] { return rounded_alike(out, decode_gate_up(x, dense)); };
  } else {
    const at::Tensor sums = make.poison({run.splits, run.batch, s.rows}, at::kFloat);
    t.written = {writes(sums)};
    t.call.linear.sums = data_of<float>(sums);
    t.judge = [x, sums, dense = w.dense]() -> KernelTrial::Answer {
      return {difference(sums.to(at::kDouble).sum(0), decode_linear(x, dense)), {}};
    };
  }
  return t;
}

// Multiplies the first 1, 2, 8, 9 and all 16 rows of the same x. Each row has to have the same bits each time. Whether
// they are right is another trial's.
KernelTrial rows_trial(const TrialTensors& make, const Weight& w, const Shape& s, int splits) {
  KernelTrial t = make_trial(make, w, s, {16, splits});
  t.kernel = "rows of " + t.kernel;
  t.look_ahead = true;
  const at::Tensor all = t.written[0].tensor;  // of plain rows [splits, 16, rows], else [16, rows / 2]
  std::vector<at::Tensor> fewer;
  for (const int batch : {1, 2, 8, 9}) {
    at::Tensor out = all.slice(-2, 0, batch).clone(at::MemoryFormat::Contiguous);
    cuda::Call call = t.call;
    call.linear.batch = batch;
    if (call.linear.sums != nullptr) call.linear.sums = data_of<float>(out);
    if (call.linear.activated != nullptr) call.linear.activated = bf16_of(out);
    t.others.push_back(call);
    t.written.push_back(writes(out));
    fewer.push_back(out);
  }
  t.judge = [all, fewer] {
    KernelTrial::Answer answer;
    if (!at::isfinite(all).all().item<bool>()) answer.problem = "its result isn't finite";
    for (const at::Tensor& some : fewer) {
      if (same_bits(some, all.slice(-2, 0, some.size(-2)))) continue;
      answer.problem = std::to_string(some.size(-2)) + " rows give other bits than 16";
    }
    return answer;
  };
  return t;
}

}  // namespace

void visit_linear_trials(at::Device device, int multiprocessors, bool real, const VisitTrial& visit) {
  const TrialTensors make(device);
  for (const cuda::FormatRow& row : cuda::kFormats) {
    for (const Shape& s : kSmall) {
      const Weight w = make_weight(make, row.format, s);
      for (const int batch : {3, 9}) {
        visit(make_trial(make, w, s, {batch, s.order == Rows::plain && batch > 8 ? 2 : 1}));
      }
      visit(rows_trial(make, w, s, s.order == Rows::plain ? 2 : 1));
    }
    if (!real) continue;
    for (const Shape& s : kReal) {
      if (row.coded && !s.coded) continue;
      const Weight w = make_weight(make, row.format, s);
      const int splits = s.order == Rows::gate_up ? 1 : cuda::choose_splits(w.packed, multiprocessors);
      visit(rows_trial(make, w, s, splits));
      visit(make_trial(make, w, s, {16, splits}));
      KernelTrial one = make_trial(make, w, s, {1, splits});
      add_timing(one, w, s);
      visit(one);
    }
  }
}

}  // namespace glm
