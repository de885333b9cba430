#include "kernels/host/products.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "kernels/host/codes.h"
#include "kernels/host/elementwise.h"
#include "kernels/host/host_kernels.h"
#include "kernels/host/processor.h"
#include "kernels/host/threads.h"

namespace glm::host {
namespace {

using Bf16 = at::BFloat16;

constexpr int64_t kWeightsWorthAThread = 1 << 17;  // a smaller share of a product isn't worth waking a thread
constexpr int64_t kDepth = 256;  // columns that are multiplied at a time, so that a panel fits in the first cache
// So many rows of x share a part of a weight that was put into panels.
constexpr int64_t kRowsTogether = int64_t{64} * kPanelRows;
constexpr int64_t kOutsTogether = int64_t{4} * kLanes;  // outputs of a weight that a thread takes at a time
constexpr int64_t kPanelsTogether = 8;                  // panels of pixels that a thread takes at a time

int64_t divided_up(int64_t number, int64_t by) {
  return (number + by - 1) / by;
}

template <typename T>
struct Rows {
  const T* first;
  int64_t stride;  // between rows
  int64_t count;
};

// Writes `depth` columns of up to kWidth rows as a panel [depth, kWidth]. Where rows are missing it writes zeros.
template <int kWidth, typename T>
void fill_panel(const Rows<T>& rows, int64_t depth, float* to) {
  for (int64_t r = 0; r < kWidth; ++r) {
    if (r < rows.count) {
      for (int64_t k = 0; k < depth; ++k) to[k * kWidth + r] = static_cast<float>(rows.first[r * rows.stride + k]);
    } else {
      for (int64_t k = 0; k < depth; ++k) to[k * kWidth + r] = 0;
    }
  }
}

// Puts rows [rows, depth] into panels of 12. -> fp32 [panels, depth, 12]
template <typename T>
at::Tensor row_panels(const T* from, int64_t rows, int64_t depth) {
  const int64_t panels = divided_up(rows, kPanelRows);
  at::Tensor all = at::empty({panels, depth, kPanelRows}, at::kFloat);
  auto* const to = all.data_ptr<float>();
  on_threads(panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i * kPanelRows;
      fill_panel<kPanelRows>(Rows<T>{from + row * depth, depth, rows - row}, depth, to + row * depth);
    }
  });
  return all;
}

// Adds the bias to complete sums, rounds them, and writes them to y. sums: [rows, kOutsTogether], changed; y: [rows,
// outs], a row every y_stride
void finish_rows(std::vector<float>& sums, const Bf16* bias, int64_t outs, Bf16* y, int64_t y_stride) {
  for (size_t at = 0; at < sums.size(); at += kOutsTogether, y += y_stride) {
    finish_product(bias, Type::bf16, outs, sums.data() + at);
    narrow(sums.data() + at, outs, Type::bf16, y);
  }
}

struct Layer {
  const Bf16* weight = nullptr;  // [out, in], or null where there are codes
  const Codes* codes = nullptr;
  const Bf16* bias = nullptr;  // [out] or null
  int64_t in = 0;
  int64_t out = 0;
};

// Writes columns k .. k + depth - 1 of up to 16 outputs as a panel [depth, 16]. out: the first of them
void fill_weights(const Layer& layer, int64_t out, int64_t k, int64_t depth, float* to) {
  if (layer.codes == nullptr) {
    fill_panel<kLanes>(Rows<Bf16>{layer.weight + out * layer.in + k, layer.in, layer.out - out}, depth, to);
    return;
  }
  float rows[kLanes * kDepth];
  const int64_t count = std::min<int64_t>(kLanes, layer.out - out);
  for (int64_t i = 0; i < count; ++i) best_kernels().decode(*layer.codes, out + i, k, k + depth, rows + i * depth);
  fill_panel<kLanes>(Rows<float>{rows, depth, count}, depth, to);
}

// Multiplies up to kRowsTogether rows of x, which are in panels, by some outputs of a weight. first, outs: which
// outputs. sums: room for [rows, kOutsTogether]
void multiply_outs(Panels p, const Layer& layer, int64_t first, int64_t outs, std::vector<float>& sums) {
  float panels[kOutsTogether * kDepth];
  std::fill(sums.begin(), sums.end(), 0.0F);
  p.lanes = panels;
  p.lane_panels = divided_up(outs, kLanes);
  p.sums = sums.data();
  p.sums_stride = kOutsTogether;
  const float* const rows = p.rows;
  for (int64_t k = 0; k < layer.in; k += kDepth) {
    p.depth = std::min(kDepth, layer.in - k);
    p.lanes_stride = p.depth * kLanes;
    p.rows = rows + k * kPanelRows;
    for (int64_t i = 0; i < p.lane_panels; ++i) {
      fill_weights(layer, first + i * kLanes, k, p.depth, panels + i * p.lanes_stride);
    }
    best_kernels().multiply_panels(p);
  }
}

// x: [rows, in], at most 16 -> y [rows, out]
void multiply_few(const at::Tensor& x, const Layer& layer, const at::Tensor& y) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor sums = at::empty(y.sizes(), at::kFloat);
  const Product product{.weight = {layer.weight, Type::bf16},
                        .in = layer.in,
                        .x = wide.const_data_ptr<float>(),
                        .x_stride = layer.in,
                        .rows = x.size(0),
                        .y = sums.data_ptr<float>(),
                        .y_stride = layer.out};
  layer.codes == nullptr ? multiply_on_threads(product, layer.out)
                         : multiply_codes_on_threads(product, *layer.codes, layer.out);
  for (int64_t r = 0; r < x.size(0); ++r) {
    float* const own = sums.data_ptr<float>() + r * layer.out;
    finish_product(layer.bias, Type::bf16, layer.out, own);
    narrow(own, layer.out, Type::bf16, y.data_ptr<Bf16>() + r * layer.out);
  }
}

// x: [rows, in] -> y [rows, out]
void multiply_many(const at::Tensor& x, const Layer& layer, const at::Tensor& y) {
  const int64_t in = layer.in;
  const int64_t out = layer.out;
  for (int64_t row = 0; row < x.size(0); row += kRowsTogether) {
    const int64_t count = std::min(kRowsTogether, x.size(0) - row);
    const at::Tensor panels = row_panels(x.const_data_ptr<Bf16>() + row * in, count, in);
    Panels p;
    p.rows = panels.const_data_ptr<float>();
    p.rows_stride = in * kPanelRows;
    p.row_count = count;
    on_threads(divided_up(out, kOutsTogether), 1, [&](int64_t begin, int64_t end) {
      std::vector<float> sums(static_cast<size_t>(count * kOutsTogether));
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i * kOutsTogether;
        const int64_t outs = std::min(kOutsTogether, out - first);
        multiply_outs(p, layer, first, outs, sums);
        finish_rows(sums, layer.bias == nullptr ? nullptr : layer.bias + first, outs,
                    y.data_ptr<Bf16>() + row * out + first, out);
      }
    });
  }
}

// What each tap of a convolution's kernel sees: the pixel so far down and to the right of the output's own pixel.
struct Taps {
  std::vector<int64_t> down;  // of each tap
  std::vector<int64_t> right;
  int64_t step = 1;    // pixels of x between neighbouring outputs
  int64_t scale = 1;   // each output stands in a square of so many by so many pixels of y
  int64_t below = 0;   // its row in that square
  int64_t beside = 0;  // its column
};

// 16 outputs that stand side by side, or fewer at a row's end.
struct Strip {
  int64_t picture, row, column;
};

class Convolution {
 public:
  // weight: in panels, [panels, in * taps, 12]
  Convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& y,
              const Taps& taps)
      : x_(x.const_data_ptr<Bf16>()),
        weight_(weight.const_data_ptr<float>()),
        bias_(bias.const_data_ptr<Bf16>()),
        y_(y.data_ptr<Bf16>()),
        pictures_(x.size(0)),
        in_(x.size(1)),
        out_(y.size(1)),
        height_(x.size(2)),
        width_(x.size(3)),
        rows_(y.size(2) / taps.scale),
        columns_(y.size(3) / taps.scale),
        strips_(divided_up(columns_, kLanes)),
        taps_(taps) {}

  void compute() const {
    const int64_t all = pictures_ * rows_ * strips_;
    on_threads(divided_up(all, kPanelsTogether), 1, [&](int64_t begin, int64_t end) {
      std::vector<float> panels(static_cast<size_t>(kPanelsTogether * channels_together() * taps() * kLanes));
      std::vector<float> sums(static_cast<size_t>(out_ * kPanelsTogether * kLanes));
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i * kPanelsTogether;
        compute_strips(first, std::min(kPanelsTogether, all - first), panels, sums);
      }
    });
  }

 private:
  int64_t taps() const { return static_cast<int64_t>(taps_.down.size()); }
  int64_t channels_together() const { return std::min(in_, std::max<int64_t>(1, kDepth / taps())); }
  Strip strip(int64_t index) const {
    return {index / strips_ / rows_, index / strips_ % rows_, index % strips_ * kLanes};
  }

  void compute_strips(int64_t first, int64_t count, std::vector<float>& panels, std::vector<float>& sums) const {
    std::fill(sums.begin(), sums.end(), 0.0F);
    const int64_t most = channels_together();
    for (int64_t channel = 0; channel < in_; channel += most) {
      const int64_t channels = std::min(most, in_ - channel);
      const int64_t depth = channels * taps();
      for (int64_t i = 0; i < count; ++i) {
        fill_strip(strip(first + i), channel, channels, panels.data() + i * depth * kLanes);
      }
      best_kernels().multiply_panels({.rows = weight_ + channel * taps() * kPanelRows,
                                      .rows_stride = in_ * taps() * kPanelRows,
                                      .row_count = out_,
                                      .lanes = panels.data(),
                                      .lanes_stride = depth * kLanes,
                                      .lane_panels = count,
                                      .depth = depth,
                                      .sums = sums.data(),
                                      .sums_stride = kPanelsTogether * kLanes});
    }
    for (int64_t i = 0; i < count; ++i) write(strip(first + i), sums.data() + i * kLanes);
  }

  // Writes what the taps see from a strip, [channels, taps, 16].
  void fill_strip(const Strip& s, int64_t channel, int64_t channels, float* to) const {
    for (int64_t c = channel; c < channel + channels; ++c) {
      const Bf16* const pixels = x_ + (s.picture * in_ + c) * height_ * width_;
      for (size_t t = 0; t < taps_.down.size(); ++t, to += kLanes) {
        const int64_t row = s.row * taps_.step + taps_.down[t];
        if (row < 0 || row >= height_) {
          std::fill(to, to + kLanes, 0.0F);
        } else {
          fill_lanes(pixels + row * width_, s.column * taps_.step + taps_.right[t], to);
        }
      }
    }
  }

  void fill_lanes(const Bf16* row, int64_t column, float* to) const {
    if (taps_.step == 1 && column >= 0 && column + kLanes <= width_) {
      for (int64_t i = 0; i < kLanes; ++i) to[i] = static_cast<float>(row[column + i]);
      return;
    }
    for (int64_t i = 0; i < kLanes; ++i) {
      const int64_t own = column + i * taps_.step;
      to[i] = own < 0 || own >= width_ ? 0.0F : static_cast<float>(row[own]);
    }
  }

  void write(const Strip& s, const float* sums) const {
    const int64_t count = std::min<int64_t>(kLanes, columns_ - s.column);
    for (int64_t o = 0; o < out_; ++o) {
      const auto bias = static_cast<float>(bias_[o]);
      const int64_t row = (s.picture * out_ + o) * rows_ + s.row;
      Bf16* const to = y_ + ((row * taps_.scale + taps_.below) * columns_ + s.column) * taps_.scale + taps_.beside;
      const float* const from = sums + o * kPanelsTogether * kLanes;
      for (int64_t i = 0; i < count; ++i) to[i * taps_.scale] = static_cast<Bf16>(from[i] + bias);
    }
  }

  const Bf16* x_;
  const float* weight_;
  const Bf16* bias_;
  Bf16* y_;
  int64_t pictures_, in_, out_, height_, width_;
  int64_t rows_, columns_, strips_;  // of the outputs, without `scale`; strips of a row
  const Taps& taps_;
};

// Convolves by a kernel with these taps. Writes what Taps says of y. x: bf16 [P, in, H, W]; weight: [out, in, taps]
void convolve(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const Taps& taps,
              const at::Tensor& y) {
  TORCH_CHECK(x.size(1) == weight.size(1), "channels of a convolution: expected ", weight.size(1), ", found ",
              x.size(1));
  const at::Tensor pixels = x.contiguous();
  const at::Tensor wide = weight.to(at::kFloat).contiguous();
  const at::Tensor panels =
      row_panels(wide.const_data_ptr<float>(), wide.size(0), wide.numel() / std::max<int64_t>(1, wide.size(0)));
  Convolution(pixels, panels, bias, y, taps).compute();
}

// x: bf16 [..., in] -> bf16 [..., out]
at::Tensor multiply(const at::Tensor& x, const Layer& layer) {
  const at::Tensor rows = x.reshape({-1, layer.in}).contiguous();
  const at::Tensor y = at::empty({rows.size(0), layer.out}, x.options());
  rows.size(0) <= kMostRows ? multiply_few(rows, layer, y) : multiply_many(rows, layer, y);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = layer.out;
  return y.view(shape);
}

const Bf16* bytes_of_bias(const at::Tensor& bias) {
  return bias.defined() ? bias.const_data_ptr<Bf16>() : nullptr;
}

}  // namespace

void multiply_on_threads(const Product& product, int64_t outs) {
  on_threads(divided_up(outs, kOutsInCache), std::max<int64_t>(1, kWeightsWorthAThread / (product.in * kOutsInCache)),
             [&](int64_t begin, int64_t end) {
               best_kernels().multiply(product, begin * kOutsInCache, std::min(outs, end * kOutsInCache));
             });
}

bool takes_products(const at::Tensor& x) {
  static const bool faster = &best_kernels() != &kPlain && !multiplies_bf16();
  return faster && x.is_cpu() && x.scalar_type() == at::kBFloat16;
}

at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  TORCH_CHECK(x.size(-1) == weight.size(1), "columns of a product: expected ", weight.size(1), ", found ", x.size(-1));
  TORCH_CHECK(!bias.defined() || bias.numel() == weight.size(0), "numbers of a bias: expected ", weight.size(0));
  const at::Tensor rows = weight.contiguous();
  const at::Tensor added = bias.defined() ? bias.contiguous() : bias;
  return multiply(x, {.weight = rows.const_data_ptr<Bf16>(),
                      .bias = bytes_of_bias(added),
                      .in = weight.size(1),
                      .out = weight.size(0)});
}

at::Tensor product(const at::Tensor& x, const Codes& codes, int64_t outs, const at::Tensor& bias) {
  TORCH_CHECK(x.size(-1) == codes.in, "columns of a product: expected ", codes.in, ", found ", x.size(-1));
  TORCH_CHECK(!bias.defined() || bias.numel() == outs, "numbers of a bias: expected ", outs);
  const at::Tensor added = bias.defined() ? bias.contiguous() : bias;
  return multiply(x, {.codes = &codes, .bias = bytes_of_bias(added), .in = codes.in, .out = outs});
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const int64_t kernel = weight.size(2);
  Taps taps;
  for (int64_t i = 0; i < kernel * kernel; ++i) {
    taps.down.push_back(i / kernel - kernel / 2);
    taps.right.push_back(i % kernel - kernel / 2);
  }
  at::Tensor y = at::empty({x.size(0), weight.size(0), x.size(2), x.size(3)}, x.options());
  convolve(x, weight, bias, taps, y);
  return y;
}

at::Tensor halved_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const Taps taps{{0, 0, 0, 1, 1, 1, 2, 2, 2}, {0, 1, 2, 0, 1, 2, 0, 1, 2}, /*step=*/2};
  at::Tensor y = at::empty({x.size(0), weight.size(0), x.size(2) / 2, x.size(3) / 2}, x.options());
  convolve(x, weight, bias, taps, y);
  return y;
}

at::Tensor doubled_convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  at::Tensor y = at::empty({x.size(0), weight.size(0), 2 * x.size(2), 2 * x.size(3)}, x.options());
  const at::Tensor pixels = x.contiguous();
  const at::Tensor wide = weight.to(at::kFloat);
  // The first output of a pixel sees the pixel before with the first weight, and its own pixel with the other two. The
  // second output sees its own pixel with the first two weights, and the next pixel with the last.
  const auto halves = [](const at::Tensor& w, int64_t dim, bool second) {
    const at::Tensor middle = w.narrow(dim, 1, 1);
    const at::Tensor first = w.narrow(dim, 0, 1);
    const at::Tensor last = w.narrow(dim, 2, 1);
    return second ? at::cat({first + middle, last}, dim) : at::cat({first, middle + last}, dim);
  };
  for (const int64_t below : {0, 1}) {
    for (const int64_t beside : {0, 1}) {
      const Taps taps{
          {below - 1, below - 1, below, below}, {beside - 1, beside, beside - 1, beside}, 1, 2, below, beside};
      convolve(pixels, halves(halves(wide, 2, below == 1), 3, beside == 1), bias, taps, y);
    }
  }
  return y;
}

}  // namespace glm::host
