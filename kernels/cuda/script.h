// Divides a list of calls into launches. This runs on the host and needs no CUDA.
#pragma once

#include <stddef.h>

#include <vector>

#include "kernels/cuda/library.h"

namespace glm::cuda {

// The calls that one launch takes.
struct Segment {
  int begin, end;
  int products = 0;
  int first_product = 0;  // counted among the products of all calls
  Format format{};
  int columns = 1;
  bool alone = false;  // one call, which isn't a part of a step
};

// Makes as few launches as possible. A call that isn't a part of a step has a launch of its own. A product of another
// format begins a new one, and so does a product when the launch has kMaxStreams already.
inline std::vector<Segment> segments_of(const Call* calls, int count) {
  std::vector<Segment> all;
  int products = 0;
  for (int i = 0; i < count; ++i) {
    const Call& call = calls[i];
    const bool product = call.kernel == Kernel::linear;
    const bool alone = !is_of_a_step(call.kernel);
    const bool goes_on = !all.empty() && !alone && !all.back().alone &&
                         (!product || all.back().products == 0 ||
                          (all.back().format == call.linear.weight.format && all.back().products < kMaxStreams));
    if (!goes_on) all.push_back({.begin = i, .end = i, .first_product = products, .alone = alone});
    Segment& own = all.back();
    own.end = i + 1;
    if (!product) continue;
    own.format = call.linear.weight.format;
    if (call.linear.batch > 8) own.columns = 2;
    ++own.products;
    ++products;
  }
  return all;
}

// A piece of device memory.
struct Piece {
  const void* begin;
  size_t bytes;

  bool meets(const Piece& other) const {
    const auto* const a = static_cast<const char*>(begin);
    const auto* const b = static_cast<const char*>(other.begin);
    return a != nullptr && b != nullptr && a < b + other.bytes && b < a + bytes;
  }
};

template <typename T>
Piece piece_of(const T* begin, int rows, int stride) {
  return {begin, static_cast<size_t>(rows) * static_cast<size_t>(stride) * sizeof(T)};
}

// Says whether the product writes what the norm reads, or the residual that the norm writes.
inline bool product_disturbs(const LinearParams& product, const NormParams& norm) {
  const Piece sums = piece_of(product.sums, product.splits * product.batch, product.sums_stride);
  const Piece activated = piece_of(product.activated, product.batch, product.activated_stride);
  const Piece read[] = {piece_of(norm.y, norm.splits * norm.batch, norm.dim),
                        piece_of(norm.before, norm.batch, norm.dim), piece_of(norm.residual, norm.batch, norm.dim),
                        piece_of(norm.tokens, norm.batch, 1)};
  for (const Piece& piece : read) {
    if (sums.meets(piece) || activated.meets(piece)) return true;
  }
  return false;
}

// Says whether a call reads the norm's x besides the product right behind the norm. It looks as far as the next norm
// that writes x. The calls may be replayed, so the first ones follow the last.
inline bool x_has_another_reader(const Call* calls, int count, int norm) {
  const NormParams& own = calls[norm].norm;
  const Piece x = piece_of(own.x, own.batch, own.x_stride);
  for (int k = 2; k < count; ++k) {
    const Call& call = calls[(norm + k) % count];
    if (call.kernel == Kernel::norm && call.norm.x == own.x && call.norm.batch == own.batch) return false;
    if (call.kernel != Kernel::linear) continue;
    if (x.meets(piece_of(call.linear.x, call.linear.batch, call.linear.x_stride))) return true;
  }
  return false;
}

// Lets each block norm the row of x for itself where a product of one row follows. The blocks then needn't wait for
// each other once more. x isn't written to device memory, and fast blocks begin the product while slow ones still norm.
// So nobody else may read x, and the product may write nothing of the norm's. Launches for more than eight rows look
// for x in device memory.
inline void keep_x_in_blocks(Call* calls, int count) {
  for (const Segment& s : segments_of(calls, count)) {
    for (int i = s.begin; i + 1 < s.end; ++i) {
      if (calls[i].kernel != Kernel::norm || calls[i + 1].kernel != Kernel::linear) continue;
      const LinearParams& product = calls[i + 1].linear;
      NormParams& norm = calls[i].norm;
      const bool one_row = s.columns == 1 && norm.batch == 1 && product.batch == 1;
      const bool follows = product.x == norm.x && product.weight.inner <= kStagedNumbers;
      if (!one_row || !follows || norm.before == norm.residual) continue;
      if (product_disturbs(product, norm) || x_has_another_reader(calls, count, i)) continue;
      norm.own_x = product.weight.inner;
    }
  }
}

}  // namespace glm::cuda
