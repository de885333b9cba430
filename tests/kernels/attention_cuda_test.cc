// kernels/cuda/attention.cuh, run on the host.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "kernels/attention.h"
#include "kernels/rotary.h"
#include "tests/kernels/device_memory.h"
#include "tests/kernels/step_host.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

struct Case {
  std::vector<int> lengths;
  int kv_heads = 2;
  int head = cuda::kHeadDim;
  int group = cuda::kGroupHeads;
  int splits = 1;
  int capacity = 512;
  int rotary = 64;
  bool bias = true;
  double spread = 1;  // of the scores
  uint64_t order = 0;
  int blocks = 3;
};

// What a layer's attention is given, and what it leaves.
struct Layer {
  at::Tensor qkv, bias, cosines, sines, keys, values, lengths, partial, partial_max, out;
  int64_t heads, kv_heads, head;
  double scale;
};

at::Tensor random_bf16(at::IntArrayRef shape) {
  return device_copy(at::randn(shape).to(at::kBFloat16));
}

Layer make(const Case& c) {
  const auto batch = static_cast<int64_t>(c.lengths.size());
  const int64_t chunks = (c.capacity + cuda::kChunk - 1) / cuda::kChunk;
  Layer l;
  l.kv_heads = c.kv_heads;
  l.head = c.head;
  l.heads = int64_t{c.kv_heads} * c.group;
  l.scale = c.spread / std::sqrt(static_cast<double>(c.head));
  const int64_t width = (l.heads + 2 * l.kv_heads) * c.head;
  l.qkv = device_copy(at::randn({c.splits, batch, width}));
  l.bias = c.bias ? random_bf16({width}) : at::Tensor();
  l.cosines = random_bf16({batch, c.capacity, c.rotary});
  l.sines = random_bf16({batch, c.capacity, c.rotary});
  l.keys = device_empty({batch, l.kv_heads, c.capacity, c.head}, at::kBFloat16);
  l.values = device_empty({batch, l.kv_heads, c.capacity, c.head}, at::kBFloat16);
  for (int64_t b = 0; b < batch; ++b) {
    l.keys[b].slice(1, 0, c.lengths[b]).normal_();
    l.values[b].slice(1, 0, c.lengths[b]).normal_();
  }
  l.lengths = device_copy(at::tensor(c.lengths, at::kInt));
  l.partial = device_empty({batch, l.kv_heads, chunks, cuda::kGroupHeads, cuda::kHeadDim}, at::kFloat);
  l.partial_max = device_empty({batch, l.kv_heads, chunks, 2, cuda::kGroupHeads}, at::kFloat);
  l.out = device_empty({batch, l.heads * c.head + 8}, at::kBFloat16);
  return l;
}

cuda::AttentionParams parameters_of(const Case& c, const Layer& l) {
  cuda::AttentionParams p{};
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
  p.head_dim = c.head;
  p.group = c.group;
  p.batch = static_cast<int>(c.lengths.size());
  p.kv_heads = c.kv_heads;
  p.capacity = c.capacity;
  p.rotary = c.rotary;
  p.chunks = static_cast<int>(l.partial.size(2));
  p.scale = static_cast<float>(l.scale);
  return p;
}

void run(const Case& c, const cuda::AttentionParams& p) {
  run_step({{.kernel = cuda::Kernel::attention, .attention = p}}, {.blocks = c.blocks, .order = c.order});
}
void run(const Case& c, const Layer& l) {
  run(c, parameters_of(c, l));
}

// Bit for bit, NaN too.
bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return at::equal(a.contiguous().view(at::kShort), b.contiguous().view(at::kShort));
}

// The cache as ATen leaves it; `q` [B, Hq, head] is rotated.
void append(const Case& c, const Layer& l, at::Tensor& q, at::Tensor& keys, at::Tensor& values) {
  at::Tensor sum = at::zeros_like(l.qkv[0]);
  for (int i = 0; i < c.splits; ++i) sum += l.qkv[i];
  if (c.bias) sum += l.bias.to(at::kFloat);
  const at::Tensor heads = sum.to(at::kBFloat16).unflatten(1, {-1, l.head});
  q = at::empty({heads.size(0), l.heads, l.head}, at::kBFloat16);
  for (int64_t b = 0; b < heads.size(0); ++b) {
    const int64_t there = c.lengths[b];
    const RotaryTable table = RotaryTable{l.cosines[b], l.sines[b]}.rows(there, there + 1);
    const at::Tensor turned = rotate(heads[b].slice(0, 0, l.heads + l.kv_heads).unsqueeze(0), table)[0];
    q[b] = turned.slice(0, 0, l.heads);
    keys[b].select(1, there).copy_(turned.slice(0, l.heads));
    values[b].select(1, there).copy_(heads[b].slice(0, l.heads + l.kv_heads));
  }
}

void expect_is_atens(const Case& c) {
  const Layer l = make(c);
  at::Tensor keys = l.keys.clone();
  at::Tensor values = l.values.clone();
  at::Tensor q;
  append(c, l, q, keys, values);
  run(c, l);
  EXPECT_TRUE(same_bits(l.keys, keys)) << "the new position's key and nothing else";
  EXPECT_TRUE(same_bits(l.values, values)) << "the new position's value and nothing else";
  EXPECT_TRUE(at::isnan(l.out.slice(1, l.heads * l.head)).all().item<bool>()) << "written behind the row";
  for (size_t b = 0; b < c.lengths.size(); ++b) {
    const auto row = static_cast<int64_t>(b);
    const auto of_cache = [&](const at::Tensor& cache) {  // -> [1, Lk, Hkv, head]
      return cache[row].slice(1, 0, c.lengths[b] + 1).transpose(0, 1).unsqueeze(0).to(at::kFloat);
    };
    const at::Tensor expected = attention(q[row].to(at::kFloat).view({1, 1, l.heads, l.head}), of_cache(keys),
                                          of_cache(values), {.scale = l.scale, .causal = false, .bias = {}});
    const at::Tensor actual = l.out[row].slice(0, 0, l.heads * l.head).to(at::kFloat).view({1, 1, -1});
    EXPECT_TRUE(near(actual, expected, expected.abs().max().item<double>(), tolerance::kBf16Step))
        << "row " << b << " of length " << c.lengths[b];
  }
}

TEST(AttentionBody, IsAtensAtEveryLength) {
  for (const int length : {0, 1, 2, 7, 8, 15, 16, 17, 63, 127, 128, 129, 255, 256, 500, 511}) {
    SCOPED_TRACE(length);
    expect_is_atens({.lengths = {length}});
  }
}

TEST(AttentionBody, IsAtensWhenFewPositionsMatter) {
  for (const double spread : {0.0, 0.3, 8.0, 100.0}) {
    SCOPED_TRACE(spread);
    expect_is_atens({.lengths = {0, 40, 127, 128, 300}, .kv_heads = 1, .spread = spread});
  }
}

TEST(AttentionBody, RowsHaveLengthsOfTheirOwn) {
  expect_is_atens({.lengths = {129, 0, 500, 1, 127, 128, 15}, .splits = 3});
}

TEST(AttentionBody, BlocksComeInAnyOrder) {
  for (uint64_t order = 1; order <= 10; ++order) {
    expect_is_atens(
        {.lengths = {500, 130, 5}, .splits = 2, .order = order, .blocks = static_cast<int>(order % 5) * 3 + 1});
  }
}

TEST(AttentionBody, ASumHasTheSameBitsInAnyOrder) {
  const Case c{.lengths = {500, 130, 5}};
  at::manual_seed(7);
  const Layer in_order = make(c);
  run(c, in_order);
  for (const uint64_t order : {1, 2, 3}) {
    Case shuffled = c;
    shuffled.order = order;
    shuffled.blocks = static_cast<int>(5 * order);
    at::manual_seed(7);
    const Layer l = make(shuffled);
    run(shuffled, l);
    EXPECT_TRUE(same_bits(l.out, in_order.out)) << order;
  }
}

TEST(AttentionBody, OtherShapes) {
  expect_is_atens({.lengths = {0}, .kv_heads = 1, .capacity = 1, .bias = false});
  expect_is_atens({.lengths = {100, 3}, .kv_heads = 3, .splits = 4, .capacity = 101, .rotary = 128});
  expect_is_atens({.lengths = {20}, .capacity = 130, .rotary = 16, .bias = false});
  expect_is_atens({.lengths = std::vector<int>(16, 33), .kv_heads = 1, .capacity = 40});
}

TEST(AttentionBody, SmallerHeads) {
  for (const auto& [head, group, rotary] : std::vector<std::tuple<int, int, int>>{
           {64, 3, 32}, {8, 1, 8}, {128, 4, 64}, {40, 16, 16}, {96, 15, 64}, {16, 2, 16}}) {
    SCOPED_TRACE(head);
    expect_is_atens({.lengths = {0, 63, 64, 200}, .head = head, .group = group, .splits = 2, .rotary = rotary});
  }
}

// Rows of two pictures, several of each, some of them across a chunk's end: the bits that one row after another gives.
void expect_rows_are_as_one_by_one(const Case& shape) {
  Case c = shape;
  const std::vector<int> pictures = {0, 0, 1, 0, 0, 1, 0, 1, 1};
  c.lengths = {62, 63, 126, 64, 65, 127, 66, 128, 129};
  at::manual_seed(3);
  const Layer together = make(c);
  const Layer alone = make(c);
  for (const Layer* l : {&together, &alone}) {  // the first two rows' caches are the pictures'
    at::manual_seed(5);
    l->qkv.normal_();
    for (const at::Tensor& t : {l->bias, l->cosines, l->sines}) t.normal_();
    for (const at::Tensor& cache : {l->keys, l->values}) {
      cache.fill_(std::numeric_limits<double>::quiet_NaN());
      cache[0].slice(1, 0, 62).normal_();
      cache[1].slice(1, 0, 126).normal_();
    }
  }
  const at::Tensor of_rows = device_copy(at::tensor(pictures, at::kInt));
  cuda::AttentionParams all = parameters_of(c, together);
  all.pictures = data_of<int>(of_rows);
  run(c, all);
  for (size_t row = 0; row < pictures.size(); ++row) {
    const auto r = static_cast<int64_t>(row);
    const at::Tensor qkv = device_copy(alone.qkv.slice(1, r, r + 1));
    cuda::AttentionParams one = parameters_of(c, alone);
    one.batch = 1;
    one.qkv = data_of<float>(qkv);
    one.lengths += row;
    one.out += r * one.out_stride;
    one.cosines = bf16_of(alone.cosines[pictures[row]]);
    one.sines = bf16_of(alone.sines[pictures[row]]);
    one.keys = bf16_of(alone.keys[pictures[row]]);
    one.values = bf16_of(alone.values[pictures[row]]);
    run(c, one);
  }
  const auto heads = [&](const Layer& l) { return l.out.slice(1, 0, l.heads * l.head); };
  EXPECT_FALSE(at::isnan(heads(alone)).any().item<bool>());
  EXPECT_TRUE(same_bits(heads(together), heads(alone)));
  EXPECT_TRUE(same_bits(together.keys, alone.keys));
  EXPECT_TRUE(same_bits(together.values, alone.values));
}

TEST(AttentionBody, RowsOfAPictureAreWhatOneByOneGives) {
  expect_rows_are_as_one_by_one({.lengths = {}, .splits = 2, .capacity = 140});
  expect_rows_are_as_one_by_one({.lengths = {}, .kv_heads = 1, .head = 64, .group = 3, .capacity = 140, .rotary = 32});
  for (uint64_t order = 1; order <= 5; ++order) {
    expect_rows_are_as_one_by_one(
        {.lengths = {}, .capacity = 131, .order = order, .blocks = static_cast<int>(3 * order)});
  }
}

// A step after a step, on what the first left behind.
TEST(AttentionBody, GoesOn) {
  Case c{.lengths = {127, 3}};
  const Layer l = make(c);
  run(c, l);
  for (int i = 0; i < 2; ++i) {
    l.lengths.add_(1);
    for (int& length : c.lengths) ++length;
    at::Tensor keys = l.keys.clone();
    at::Tensor values = l.values.clone();
    at::Tensor q;
    l.qkv.normal_();
    append(c, l, q, keys, values);
    run(c, l);
    EXPECT_TRUE(same_bits(l.keys, keys) && same_bits(l.values, values)) << i;
    EXPECT_FALSE(at::isnan(l.out.slice(1, 0, l.heads * l.head)).any().item<bool>());
  }
}

}  // namespace
}  // namespace glm
