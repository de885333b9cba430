// Attention of new tokens over the cache. The query heads that share a key/value head, at most 16, are the rows of a
// tensor-core tile. A team works on a chunk: 64 positions of one key/value head for one batch row. First it finishes
// the projection: it adds the parts of the sums and the bias, rotates, and writes the new position into the cache. When
// all chunks are done, a team adds the chunks' parts of one head. Where a picture has several rows, the new positions
// of all rows are written first, and the blocks wait for each other before any is read.
// Upstream: GlmImageTextAttention
#pragma once

#include "kernels/cuda/bf16.cuh"
#include "kernels/cuda/grid_barrier.cuh"
#include "kernels/cuda/parts.cuh"

namespace glm::cuda {

struct AttentionShared {
  bf16_bits q[kGroupHeads][kHeadDim + 8];  // + 8: rows start in different banks
  bf16_bits kv[2][kHeadDim];               // the new position's key and value
  bf16_bits p[kGroupHeads][kChunk + 8];    // weights of the chunk's positions
  float largest[kWarps][kGroupHeads];
  float sum[kWarps][kGroupHeads];
};
struct CombineShared {
  float out[kWarps][kHeadDim];
};
static_assert(kChunk == 8 * kWarps && kHeadDim == 16 * kWarps);

// The heads of the public model. The compiler knows their sizes.
struct FullHeads {
  static constexpr int dim() { return kHeadDim; }
  static constexpr int group() { return kGroupHeads; }
};
// Smaller heads, whose sizes are known at run time. Zeros fill the rest of each tile.
struct SmallerHeads {
  int head_dim, heads;
  GLM_DEVICE int dim() const { return head_dim; }
  GLM_DEVICE int group() const { return heads; }
};

GLM_DEVICE uint32_t load_pair(const bf16_bits* from) {
  return *reinterpret_cast<const uint32_t*>(from);
}

// The new position's rotation, of the dimensions 4 lane to 4 lane + 3; zeros beyond p.rotary.
struct Rotation {
  simt::Words2 cosines, sines;
};

// Rotates the lane's four dimensions of a head. The warp's other lanes hold the others.
// Upstream: q * cos + rotate_half(q) * sin, each rounded
GLM_DEVICE void rotate(const Rotation& rotation, int rotary, float (&x)[4]) {
  const int dim = simt::thread() % 32 * 4;
  float cosine[4];
  float sine[4];
  unpack(rotation.cosines, cosine);
  unpack(rotation.sines, sine);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const float own = simt::round_bf16(x[k]);
    const float other = simt::shuffle_xor(own, rotary / 8);  // rotary / 2 dimensions away
    const float rotated =
        simt::round_bf16(own * cosine[k]) + simt::round_bf16((dim < rotary / 2 ? -other : other) * sine[k]);
    x[k] = dim < rotary ? rotated : own;
  }
}

// Adds the parts and the bias, rotates, and rounds to bf16. In `s` the group's query heads lie one after another, 16 of
// 128 dimensions, and behind them its key and its value; a thread finishes kTimes fours of numbers, from `first` on.
// All loads are under way before the first is needed.
template <int kTimes, typename Heads>
GLM_DEVICE void finish_fours(const AttentionParams& p, Heads h, int row, int kv_head, int first,
                             const Rotation& rotation, AttentionShared& s) {
  const int heads = p.kv_heads * h.group();
  const int width = (heads + 2 * p.kv_heads) * h.dim();
  const float* from[kTimes];
  bool there[kTimes];
  float sum[kTimes][4];
  simt::Words2 bias[kTimes] = {};
#pragma unroll
  for (int n = 0; n < kTimes; ++n) {
    const int i = first + 4 * (simt::thread() + n * kThreads);
    const int head = i / kHeadDim;
    there[n] = (head >= kGroupHeads || head < h.group()) && i % kHeadDim < h.dim();
    const int from_head =
        head < kGroupHeads ? kv_head * h.group() + head : heads + (head - kGroupHeads) * p.kv_heads + kv_head;
    const int column = there[n] ? from_head * h.dim() + i % kHeadDim : 0;
    from[n] = p.qkv + static_cast<int64_t>(row) * width + column;
    if (p.bias != nullptr) bias[n] = simt::load8(p.bias + column);
  }
  add_parts(from, static_cast<int64_t>(p.batch) * width, p.qkv_splits, sum);
#pragma unroll
  for (int n = 0; n < kTimes; ++n) {
    const int i = first + 4 * (simt::thread() + n * kThreads);
    const int head = i / kHeadDim;
    float more[4];
    unpack(bias[n], more);
#pragma unroll
    for (int k = 0; k < 4; ++k) sum[n][k] = there[n] ? sum[n][k] + more[k] : 0.0f;
    if (head <= kGroupHeads) rotate(rotation, p.rotary, sum[n]);  // not the value
    simt::store8(head < kGroupHeads ? &s.q[head][i % kHeadDim] : &s.kv[head - kGroupHeads][i % kHeadDim], pack(sum[n]));
  }
}

constexpr int kQueries = kGroupHeads * kHeadDim;
static_assert(kQueries == 2 * 4 * kThreads);

// Finishes the group's key and value of the new position.
template <typename Heads>
GLM_DEVICE void finish_newest(const AttentionParams& p, Heads h, int row, int kv_head, const Rotation& rotation,
                              AttentionShared& s) {
  if (4 * simt::thread() < 2 * kHeadDim) finish_fours<1>(p, h, row, kv_head, kQueries, rotation, s);
}
// Finishes the group's query heads.
template <typename Heads>
GLM_DEVICE void finish_queries(const AttentionParams& p, Heads h, int row, int kv_head, const Rotation& rotation,
                               AttentionShared& s) {
  finish_fours<2>(p, h, row, kv_head, 0, rotation, s);
}

// A warp scores 8 positions against the 16 heads. Of the key at position g, lane 4 g + t holds eight dimensions of
// every 32, from 8 t on; score() takes the query's words in the same order.
struct Key {
  uint32_t word[16];
};

// Reads a key of `dims` dimensions. The words behind them are left alone.
GLM_DEVICE void read_key(const bf16_bits* key, int dims, uint32_t (&word)[16]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int dim = 32 * i + simt::thread() % 4 * 8;
    if (dim >= dims) break;
    const simt::Words4 v = simt::load16(key + dim);
#pragma unroll
    for (int j = 0; j < 4; ++j) word[4 * i + j] = v.word[j];
  }
}

// A warp weighs 16 dimensions of the chunk's values. Lane 4 g + t holds the dimensions 2 g and 2 g + 1, at the
// positions 2 t, 2 t + 1, 2 t + 8 and 2 t + 9 of every 16.
struct Values {
  uint32_t pair[kChunk / 16][4];
};

template <typename Heads>
GLM_DEVICE void read_values(Heads h, const bf16_bits* values, int first, int there, Values& v) {
  const int lane = simt::thread() % 32;
  const int column = simt::thread() / 32 * 16 + lane / 4 * 2;
#pragma unroll
  for (int step = 0; step < kChunk / 16; ++step) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int position = first + 16 * step + 2 * (lane % 4) + i % 2 + i / 2 * 8;
      v.pair[step][i] = 0;
      if (position < there && column < h.dim()) {
        v.pair[step][i] = load_pair(values + static_cast<int64_t>(position) * h.dim() + column);
      }
    }
  }
}

GLM_DEVICE void score(const AttentionShared& s, const Key& k, float (&scores)[4]) {
  const int lane = simt::thread() % 32;
#pragma unroll
  for (int step = 0; step < kHeadDim / 16; ++step) {
    const int dim = step / 2 * 32 + lane % 4 * 8 + step % 2 * 4;
    const bf16_bits* upper = &s.q[lane / 4][dim];
    const bf16_bits* lower = &s.q[lane / 4 + 8][dim];
    const uint32_t a[4] = {load_pair(upper), load_pair(lower), load_pair(upper + 2), load_pair(lower + 2)};
    simt::mma(scores, a, k.word[2 * step], k.word[2 * step + 1]);
  }
}

GLM_DEVICE float largest_of_quad(float x) {
  const float y = simt::shuffle_xor(x, 1);
  const float pair = x > y ? x : y;
  const float z = simt::shuffle_xor(pair, 2);
  return pair > z ? pair : z;
}
GLM_DEVICE float sum_of_quad(float x) {
  const float pair = x + simt::shuffle_xor(x, 1);
  return pair + simt::shuffle_xor(pair, 2);
}

constexpr float kNothing = -3.0e38f;  // the score of a position that isn't there

// Joins the pair (score, sum) to the pair (most, total). A pair is a largest score and a sum of weights relative to it.
GLM_DEVICE void join(float& most, float& total, float score, float sum) {
  const float more = score > most ? score : most;
  total = total * simt::exponent(most - more) + sum * simt::exponent(score - more);
  most = more;
}

// Writes a head's output: adds its chunks' parts by their weights. A warp takes every eighth chunk, a lane four
// dimensions.
template <typename Heads>
GLM_DEVICE void combine(const AttentionParams& p, Heads h, int row, int head, int chunks, CombineShared& s) {
  const int warp = simt::thread() / 32;
  const int lane = simt::thread() % 32;
  const int64_t group = static_cast<int64_t>(row) * p.kv_heads + head / h.group();
  const int place = head % h.group();
  const float* largest = p.partial_max + group * p.chunks * 2 * kGroupHeads + place;
  const float* from = p.partial + (group * p.chunks * kGroupHeads + place) * kHeadDim + 4 * lane;

  constexpr int kAtOnce = 4;  // chunks that a warp loads before it knows their weights
  simt::Words4 part[kAtOnce] = {};
  const auto ask = [&](int first) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int chunk = first + i * kWarps;
      if (chunk < chunks) part[i] = simt::load16(from + static_cast<int64_t>(chunk) * (kGroupHeads * kHeadDim));
    }
  };
  ask(warp);
  float most = kNothing;
  float total = 0;
#pragma unroll 1
  for (int c = lane; c < chunks; c += 32) {
    join(most, total, largest[c * 2 * kGroupHeads], largest[(c * 2 + 1) * kGroupHeads]);
  }
  const float own = most;
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    const float other = simt::shuffle_xor(most, mask);
    most = other > most ? other : most;
  }
  total *= simt::exponent(own - most);
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) total += simt::shuffle_xor(total, mask);
  float out[4] = {};
#pragma unroll 1
  for (int first = warp; first < chunks; first += kAtOnce * kWarps) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int chunk = first + i * kWarps;
      if (chunk >= chunks) continue;
      const float scale = simt::exponent(largest[chunk * 2 * kGroupHeads] - most);
#pragma unroll
      for (int k = 0; k < 4; ++k) out[k] += scale * simt::bits_to_float(part[i].word[k]);
    }
    ask(first + kAtOnce * kWarps);
  }
  simt::store16(&s.out[warp][4 * lane], {{simt::float_to_bits(out[0]), simt::float_to_bits(out[1]),
                                          simt::float_to_bits(out[2]), simt::float_to_bits(out[3])}});
  simt::sync_team();
  if (warp != 0) return;
#pragma unroll
  for (int w = 1; w < kWarps; ++w) {
#pragma unroll
    for (int k = 0; k < 4; ++k) out[k] += s.out[w][4 * lane + k];
  }
#pragma unroll
  for (float& value : out) value = simt::divide(value, total);
  if (4 * lane >= h.dim()) return;
  simt::store8(p.out + static_cast<int64_t>(row) * p.out_stride + head * h.dim() + 4 * lane, pack(out));
}

// A chunk holds 64 positions of one key/value head, in one row of the batch.
struct Chunk {
  int first;    // its first position
  int own;      // the row's own position, the last that it attends to
  int there;    // positions that are in the cache: own, or one more where the new positions have been written
  bool newest;  // whether this chunk holds the row's own position, which isn't in the cache yet
  bf16_bits* keys;
  bf16_bits* values;
  int64_t place;  // among the parts that combine() adds
};

// Asks for the chunk's keys and values ahead of time. A key is two cache lines, and so is a value.
template <typename Heads>
GLM_DEVICE void prefetch(Heads h, const Chunk& chunk) {
  const int position = chunk.first + simt::thread() / 4;
  const int dim = simt::thread() % 2 * (kHeadDim / 2);
  if (position >= chunk.there || dim >= h.dim()) return;
  const bf16_bits* from = simt::thread() % 4 < 2 ? chunk.keys : chunk.values;
  simt::prefetch(from + static_cast<int64_t>(position) * h.dim() + dim);
}

GLM_DEVICE int picture_of(const AttentionParams& p, int row) {
  return p.pictures != nullptr ? p.pictures[row] : row;
}

// Returns where the cache of a key/value head begins, for the row's picture.
template <typename Heads>
GLM_DEVICE int64_t cache_of(const AttentionParams& p, Heads h, int row, int kv_head) {
  return (static_cast<int64_t>(picture_of(p, row)) * p.kv_heads + kv_head) * p.capacity * h.dim();
}

// position: the row's own
GLM_DEVICE Rotation read_rotation(const AttentionParams& p, int row, int position) {
  const int dim = simt::thread() % 32 * 4;
  if (dim >= p.rotary) return {};
  const int64_t own = (static_cast<int64_t>(picture_of(p, row)) * p.capacity + position) * p.rotary + dim;
  return {simt::load8(p.cosines + own), simt::load8(p.sines + own)};
}

// Copies the new position's key and value from `s` into the cache. keys, values: of the row's picture and head
template <typename Heads>
GLM_DEVICE void write_newest(const AttentionShared& s, Heads h, int own, bf16_bits* keys, bf16_bits* values) {
  const int which = simt::thread() / (kHeadDim / 8);
  const int dim = simt::thread() % (kHeadDim / 8) * 8;
  if (which >= 2 || dim >= h.dim()) return;
  simt::store16((which == 0 ? keys : values) + static_cast<int64_t>(own) * h.dim() + dim,
                simt::load16(&s.kv[which][dim]));
}

// Copies the new position's key and value from `s` into the part of the chunk that the lane holds.
GLM_DEVICE void add_newest(const AttentionShared& s, const Chunk& chunk, int position, Key& k, Values& v) {
  const int warp = simt::thread() / 32;
  const int lane = simt::thread() % 32;
  const int offset = chunk.own - chunk.first;
  if (position == chunk.own) read_key(s.kv[0], kHeadDim, k.word);
#pragma unroll
  for (int step = 0; step < kChunk / 16; ++step) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (16 * step + 2 * (lane % 4) + i % 2 + i / 2 * 8 == offset) {
        v.pair[step][i] = load_pair(&s.kv[1][warp * 16 + lane / 4 * 2]);
      }
    }
  }
}

// Scales the warp's scores and puts each head's largest into `s`. `largest` gets those of heads g and g + 8.
GLM_DEVICE void scale_scores(const AttentionParams& p, const Chunk& chunk, AttentionShared& s, float (&scores)[4],
                             float (&largest)[2]) {
  const int warp = simt::thread() / 32;
  const int lane = simt::thread() % 32;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    scores[i] = chunk.first + 8 * warp + 2 * (lane % 4) + i % 2 <= chunk.own ? scores[i] * p.scale : kNothing;
    largest[i / 2] = scores[i] > largest[i / 2] ? scores[i] : largest[i / 2];
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    largest[h] = largest_of_quad(largest[h]);
    if (lane % 4 == 0) s.largest[warp][lane / 4 + 8 * h] = largest[h];
  }
}

// Puts the weights of the warp's positions, relative to the chunk's largest score, and their sums into `s`.
GLM_DEVICE void weigh(AttentionShared& s, const float (&scores)[4], float (&largest)[2]) {
  const int warp = simt::thread() / 32;
  const int lane = simt::thread() % 32;
  float sum[2] = {0, 0};
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    for (int w = 0; w < kWarps; ++w) {
      const float other = s.largest[w][lane / 4 + 8 * h];
      largest[h] = other > largest[h] ? other : largest[h];
    }
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float weight[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const float own = scores[2 * h + i];
      weight[i] = own == kNothing ? 0.0f : simt::exponent(own - largest[h]);
      sum[h] += weight[i];
    }
    *reinterpret_cast<uint32_t*>(&s.p[lane / 4 + 8 * h][8 * warp + 2 * (lane % 4)]) =
        simt::pack_bf16(weight[0], weight[1]);
  }
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    sum[h] = sum_of_quad(sum[h]);
    if (lane % 4 == 0) s.sum[warp][lane / 4 + 8 * h] = sum[h];
  }
}

// Stores the weights times the values: the chunk's part of each head's output. Column g of the two products is
// dimension 2 g and 2 g + 1, so a lane ends with four neighbours of each head.
GLM_DEVICE void store_part(const AttentionParams& p, const Chunk& chunk, const AttentionShared& s, const Values& v) {
  const int warp = simt::thread() / 32;
  const int lane = simt::thread() % 32;
  float out[2][4] = {};
#pragma unroll
  for (int step = 0; step < kChunk / 16; ++step) {
    const bf16_bits* upper = &s.p[lane / 4][16 * step + 2 * (lane % 4)];
    const bf16_bits* lower = &s.p[lane / 4 + 8][16 * step + 2 * (lane % 4)];
    const uint32_t a[4] = {load_pair(upper), load_pair(lower), load_pair(upper + 8), load_pair(lower + 8)};
#pragma unroll
    for (int c = 0; c < 2; ++c) {
      const uint32_t select = c == 0 ? 0x5410u : 0x7632u;
      simt::mma(out[c], a, simt::permute_bytes(v.pair[step][0], v.pair[step][1], select),
                simt::permute_bytes(v.pair[step][2], v.pair[step][3], select));
    }
  }
  float* const part = p.partial + chunk.place * kGroupHeads * kHeadDim;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    simt::store16(part + (lane / 4 + 8 * h) * kHeadDim + 16 * warp + 4 * (lane % 4),
                  {{simt::float_to_bits(out[0][2 * h]), simt::float_to_bits(out[1][2 * h]),
                    simt::float_to_bits(out[0][2 * h + 1]), simt::float_to_bits(out[1][2 * h + 1])}});
  }
}

// Stores, for each head, the largest score of the chunk and the sum of its weights, for the team that adds the chunks.
GLM_DEVICE void store_sums(const AttentionParams& p, const Chunk& chunk, const AttentionShared& s) {
  if (simt::thread() >= kGroupHeads) return;
  float most = kNothing;
  float total = 0;
  for (int w = 0; w < kWarps; ++w) {
    most = s.largest[w][simt::thread()] > most ? s.largest[w][simt::thread()] : most;
    total += s.sum[w][simt::thread()];
  }
  float* const to = p.partial_max + chunk.place * 2 * kGroupHeads + simt::thread();
  to[0] = most;
  to[kGroupHeads] = total;
}

// Attends to chunk `number` of a key/value head for a batch row. One team does it.
template <typename Heads>
GLM_DEVICE void attend(const AttentionParams& p, Heads h, int number, int kv_head, int row, AttentionShared& s,
                       GridBarrier& barrier) {
  // The number of positions and the cache of earlier positions are read before the blocks have met: no call of this
  // launch writes them, because `sample`, which changes the number, has a launch of its own.
  const int own = p.lengths[row];
  const int chunks = own / kChunk + 1;
  if (number >= chunks) return;  // p.chunks is enough for the longest sequence
  const int64_t cache = cache_of(p, h, row, kv_head);
  const bool written = p.pictures != nullptr;
  const Chunk chunk{number * kChunk,
                    own,
                    written ? own + 1 : own,
                    !written && number == chunks - 1,
                    p.keys + cache,
                    p.values + cache,
                    (static_cast<int64_t>(row) * p.kv_heads + kv_head) * p.chunks + number};
  prefetch(h, chunk);
  const Rotation rotation = read_rotation(p, row, own);
  barrier.wait();

  if (chunk.newest) finish_newest(p, h, row, kv_head, rotation, s);
  finish_queries(p, h, row, kv_head, rotation, s);
  const int position = chunk.first + simt::thread() / 4;  // of this lane's key
  Key k = {};
  if (position < chunk.there) read_key(chunk.keys + static_cast<int64_t>(position) * h.dim(), h.dim(), k.word);
  Values v;
  read_values(h, chunk.values, chunk.first, chunk.there, v);
  simt::sync_team();
  if (chunk.newest) {
    write_newest(s, h, own, chunk.keys, chunk.values);
    add_newest(s, chunk, position, k, v);
  }

  float scores[4] = {};
  score(s, k, scores);
  float largest[2] = {kNothing, kNothing};
  scale_scores(p, chunk, s, scores, largest);
  simt::sync_team();
  weigh(s, scores, largest);
  simt::sync_team();
  store_part(p, chunk, s, v);
  store_sums(p, chunk, s);
}

// Writes the new positions of all rows into the cache. When the blocks have waited, all of them may read it.
template <typename Heads>
GLM_DEVICE void write_all_newest(const AttentionParams& p, Heads h, AttentionShared& s, GridBarrier& barrier) {
#pragma unroll 1
  for (int part = team_place(); part < p.kv_heads * p.batch; part += team_count()) {
    const int row = part % p.batch;
    const int kv_head = part / p.batch;
    const int own = p.lengths[row];
    const Rotation rotation = read_rotation(p, row, own);
    if (part != team_place()) simt::sync_team();  // the part before is done with the shared memory
    barrier.wait();
    finish_newest(p, h, row, kv_head, rotation, s);
    simt::sync_team();
    const int64_t cache = cache_of(p, h, row, kv_head);
    write_newest(s, h, own, p.keys + cache, p.values + cache);
  }
  barrier.wait();
  barrier.arrive();
}

// Computes the attention of one layer. All blocks do it together. s and c may share their memory.
template <typename Heads>
GLM_DEVICE void attention(const AttentionParams& p, Heads h, AttentionShared& s, CombineShared& c,
                          GridBarrier& barrier) {
  if (p.pictures != nullptr) write_all_newest(p, h, s, barrier);
  const int groups = p.kv_heads * p.batch;
#pragma unroll 1
  for (int part = team_place(); part < p.chunks * groups; part += team_count()) {
    if (part != team_place()) simt::sync_team();  // the part before is done with the shared memory
    attend(p, h, part / groups, part / p.batch % p.kv_heads, part % p.batch, s, barrier);
  }
  barrier.wait();
  barrier.arrive();
  const int heads = p.kv_heads * h.group();
  int part = team_place();
  int own = part < p.batch * heads ? p.lengths[part / heads] : 0;
  barrier.wait();
#pragma unroll 1
  while (part < p.batch * heads) {
    combine(p, h, part / heads, part % heads, own / kChunk + 1, c);
    part += team_count();
    if (part < p.batch * heads) own = p.lengths[part / heads];
    simt::sync_team();
  }
}

GLM_DEVICE void attention(const AttentionParams& p, AttentionShared& s, CombineShared& c, GridBarrier& barrier) {
  if (p.head_dim == kHeadDim && p.group == kGroupHeads) {
    attention(p, FullHeads{}, s, c, barrier);
  } else {
    attention(p, SmallerHeads{p.head_dim, p.group}, s, c, barrier);
  }
}

}  // namespace glm::cuda
