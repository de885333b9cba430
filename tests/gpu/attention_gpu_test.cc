// Attention on the card, against ATen in double.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/rotary.h"
#include "tests/gpu/gpu_test.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

constexpr int64_t kHead = cuda::kHeadDim;
constexpr int64_t kGroup = cuda::kGroupHeads;

struct Case {
  std::vector<int> lengths;
  int splits = 1;
  int capacity = 0;  // 0: one more than the longest
  int kv_heads = 2;
  int rotary = 64;
  bool bias = true;
  double spread = 1;  // of the scores
};

struct Layer {
  at::Tensor qkv, bias, cosines, sines, keys, values, lengths, partial, partial_max, out;
};

class AttentionOnGpu : public GpuTest {
 protected:
  static int capacity_of(const Case& c) {
    return c.capacity > 0 ? c.capacity : *std::max_element(c.lengths.begin(), c.lengths.end()) + 1;
  }

  Layer make(const Case& c) const {
    const auto batch = static_cast<int64_t>(c.lengths.size());
    const int64_t capacity = capacity_of(c);
    const int64_t chunks = (capacity + cuda::kChunk - 1) / cuda::kChunk;
    const int64_t width = (c.kv_heads * kGroup + 2 * c.kv_heads) * kHead;
    Layer l;
    l.qkv = at::randn({c.splits, batch, width}, on(at::kFloat));
    if (c.bias) l.bias = random_bf16({width});
    l.cosines = random_bf16({batch, capacity, c.rotary});
    l.sines = random_bf16({batch, capacity, c.rotary});
    l.keys = poisoned(gpu(), {batch, c.kv_heads, capacity, kHead}, at::kBFloat16);
    l.values = poisoned(gpu(), {batch, c.kv_heads, capacity, kHead}, at::kBFloat16);
    for (int64_t b = 0; b < batch; ++b) {
      const int length = c.lengths[static_cast<size_t>(b)];
      l.keys[b].slice(1, 0, length).normal_();
      l.values[b].slice(1, 0, length).normal_();
    }
    l.lengths = at::tensor(c.lengths, at::kInt).to(gpu().device);
    l.partial = poisoned(gpu(), {batch, c.kv_heads, chunks, kGroup, kHead}, at::kFloat);
    l.partial_max = poisoned(gpu(), {batch, c.kv_heads, chunks, 2, kGroup}, at::kFloat);
    l.out = poisoned(gpu(), {batch, c.kv_heads * kGroup * kHead + 8}, at::kBFloat16);
    return l;
  }

  static cuda::Call call_of(const Case& c, const Layer& l) {
    cuda::Call call{};
    call.kernel = cuda::Kernel::attention;
    call.attention = {};
    cuda::AttentionParams& p = call.attention;
    p.qkv = data_of<float>(l.qkv);
    p.qkv_splits = c.splits;
    p.bias = c.bias ? bf16_of(l.bias) : nullptr;
    p.cosines = bf16_of(l.cosines);
    p.sines = bf16_of(l.sines);
    p.keys = bf16_of(l.keys);
    p.values = bf16_of(l.values);
    p.lengths = data_of<int>(l.lengths);
    p.partial = data_of<float>(l.partial);
    p.partial_max = data_of<float>(l.partial_max);
    p.out = bf16_of(l.out);
    p.out_stride = static_cast<int>(l.out.size(1));
    p.head_dim = cuda::kHeadDim;
    p.group = cuda::kGroupHeads;
    p.batch = static_cast<int>(c.lengths.size());
    p.kv_heads = c.kv_heads;
    p.capacity = static_cast<int>(l.keys.size(2));
    p.rotary = c.rotary;
    p.chunks = static_cast<int>(l.partial.size(2));
    p.scale = static_cast<float>(c.spread / std::sqrt(static_cast<double>(kHead)));
    return call;
  }

  // The cache as ATen leaves it; -> rotated queries [batch, heads, 128].
  static at::Tensor append(const Case& c, const Layer& l, at::Tensor& keys, at::Tensor& values) {
    const int64_t heads = c.kv_heads * kGroup;
    at::Tensor sum = at::zeros_like(l.qkv[0]);
    for (int i = 0; i < c.splits; ++i) sum += l.qkv[i];
    if (c.bias) sum += l.bias.to(at::kFloat);
    const at::Tensor all = sum.to(at::kBFloat16).unflatten(1, {-1, kHead});
    const at::Tensor q = at::empty_like(all.slice(1, 0, heads));
    for (size_t b = 0; b < c.lengths.size(); ++b) {
      const auto row = static_cast<int64_t>(b);
      const int64_t there = c.lengths[b];
      const RotaryTable table = RotaryTable{l.cosines[row], l.sines[row]}.rows(there, there + 1);
      const at::Tensor turned = rotate(all[row].slice(0, 0, heads + c.kv_heads).unsqueeze(0), table)[0];
      q[row].copy_(turned.slice(0, 0, heads));
      keys[row].select(1, there).copy_(turned.slice(0, heads));
      values[row].select(1, there).copy_(all[row].slice(0, heads + c.kv_heads));
    }
    return q;
  }

  void expect_is_the_formula(const Case& c) const {
    const Layer l = make(c);
    const int64_t heads = c.kv_heads * kGroup;
    at::Tensor keys = l.keys.clone();
    at::Tensor values = l.values.clone();
    const at::Tensor q = append(c, l, keys, values);
    run(gpu(), {call_of(c, l)});
    EXPECT_TRUE(same_bits(l.keys, keys)) << "the new position's key and nothing else";
    EXPECT_TRUE(same_bits(l.values, values)) << "the new position's value and nothing else";
    EXPECT_TRUE(at::isnan(l.out.slice(1, heads * kHead)).all().item<bool>()) << "written behind the row";
    for (size_t b = 0; b < c.lengths.size(); ++b) {
      const auto row = static_cast<int64_t>(b);
      const auto there = [&](const at::Tensor& cache) {  // [kv_heads, length + 1, 128]
        return cache[row].slice(1, 0, c.lengths[b] + 1).to(at::kDouble);
      };
      const double scale = c.spread / std::sqrt(static_cast<double>(kHead));
      const at::Tensor scores =
          at::matmul(q[row].to(at::kDouble).view({c.kv_heads, kGroup, kHead}), there(keys).transpose(1, 2)) * scale;
      const at::Tensor expected = at::matmul(scores.softmax(-1), there(values)).flatten();
      const at::Tensor actual = l.out[row].slice(0, 0, heads * kHead).to(at::kDouble);
      EXPECT_TRUE(near(actual, expected, expected.abs().max().item<double>(), tolerance::kBf16Step))
          << "row " << b << " of length " << c.lengths[b];
    }
  }
};

const std::vector<int> kLengths = {0, 1, 15, 127, 128, 129, 500, 2000, 4600};

TEST_F(AttentionOnGpu, IsTheFormulaAtEveryLength) {
  for (const int length : kLengths) {
    for (const int splits : {1, 4}) {
      SCOPED_TRACE(length);
      expect_is_the_formula({.lengths = {length}, .splits = splits});
    }
  }
}

TEST_F(AttentionOnGpu, RowsHaveLengthsOfTheirOwn) {
  std::vector<int> lengths = kLengths;
  for (const int more : {7, 16, 255, 256, 840, 1023, 3333}) lengths.push_back(more);
  expect_is_the_formula({.lengths = lengths, .splits = 2});
  std::reverse(lengths.begin(), lengths.end());
  expect_is_the_formula({.lengths = lengths, .splits = 1, .capacity = 4736});
}

TEST_F(AttentionOnGpu, IsTheFormulaWhenFewPositionsMatter) {
  for (const double spread : {0.0, 0.3, 8.0, 100.0}) {
    SCOPED_TRACE(spread);
    expect_is_the_formula({.lengths = {0, 40, 127, 128, 300}, .spread = spread});
  }
}

TEST_F(AttentionOnGpu, OtherShapes) {
  expect_is_the_formula({.lengths = {0}, .capacity = 1, .kv_heads = 1, .bias = false});
  expect_is_the_formula({.lengths = {100, 3}, .splits = 4, .capacity = 101, .kv_heads = 3, .rotary = 128});
  expect_is_the_formula({.lengths = {20}, .capacity = 130, .rotary = 16, .bias = false});
}

// The last block of a head group to arrive adds the parts: another order, or a part that isn't there yet, would show.
TEST_F(AttentionOnGpu, HasTheSameBitsEveryTime) {
  for (const std::vector<int>& lengths :
       {std::vector<int>{840}, std::vector<int>(16, 2399), std::vector<int>{4600, 0, 129, 2000}}) {
    const Case c{.lengths = lengths, .splits = 2};
    const Layer l = make(c);
    const cuda::Call call = call_of(c, l);
    at::Tensor first;
    for (int i = 0; i < 50; ++i) {
      l.out.view(at::kByte).fill_(0xFF);
      l.partial.view(at::kByte).fill_(0xFF);
      l.partial_max.view(at::kByte).fill_(0xFF);
      run(gpu(), i % 2 == 0 ? Calls{call} : Calls{call, call, call});
      if (i == 0) first = l.out.clone();
      ASSERT_TRUE(same_bits(l.out, first)) << "run " << i;
    }
  }
}

TEST_F(AttentionOnGpu, ARowHasItsBitsInEveryBatch) {
  const Case c{.lengths = {500, 2000, 3, 129, 840}, .splits = 2};
  const Layer all = make(c);
  run(gpu(), {call_of(c, all)});
  for (int64_t b = 0; b < 5; ++b) {
    Case own = c;
    own.lengths = {c.lengths[static_cast<size_t>(b)]};
    own.capacity = capacity_of(c);
    Layer l = all;
    l.qkv = all.qkv.slice(1, b, b + 1).contiguous();
    for (at::Tensor Layer::*member : {&Layer::cosines, &Layer::sines, &Layer::keys, &Layer::values, &Layer::lengths,
                                      &Layer::partial, &Layer::partial_max}) {
      l.*member = (all.*member).slice(0, b, b + 1).clone();
    }
    l.out = poisoned(gpu(), {1, all.out.size(1)}, at::kBFloat16);
    run(gpu(), {call_of(own, l)});
    EXPECT_TRUE(same_bits(l.out[0], all.out[b])) << "row " << b;
  }
}

}  // namespace
}  // namespace glm
