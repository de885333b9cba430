// The product on the card, against ATen in double.
#include <ATen/ATen.h>

#include <cmath>
#include <string>

#include "kernels/packed_weight.h"
#include "tests/gpu/gpu_test.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

using cuda::Format;

constexpr int kBatches[] = {1, 2, 7, 8, 9, 16};
constexpr int kSplits[] = {1, 2, 4, 8};

struct Shape {
  int64_t rows, inner;
};

class LinearOnGpu : public GpuTest, public testing::WithParamInterface<Format> {
 public:
  Format format() const { return GetParam(); }
  int64_t rows() const { return shape_.rows; }
  int64_t inner() const { return shape_.inner; }
  Format packed_format() const {
    return format() == Format::int4 && inner() % cuda::kGroupInner != 0 ? Format::int8 : format();
  }

  // A weight whose dense() is exactly what the kernels compute with.
  PackedWeight exact_weight(PackedWeight::Rows order) const {
    const DrawWhole whole = [this](int64_t low, int64_t high, at::IntArrayRef shape) {
      return at::randint(low, high, shape, on(at::kFloat));
    };
    return PackedWeight::drawn(packed_format(), {rows(), inner()}, inner() < 128 ? 16 : 64, order, whole);
  }

  PackedWeight random_weight() const {
    if (cuda::row_of(format()).coded) return exact_weight(PackedWeight::Rows::plain);
    return {random_bf16({rows(), inner()}), format(), PackedWeight::Rows::plain};
  }

  // x [batch, inner] as the kernel takes it: zeros up to the padded inner size, then NaN.
  at::Tensor padded(const at::Tensor& x, const cuda::PackedWeight& w) const {
    const at::Tensor to = poisoned(gpu(), {x.size(0), w.inner + 8}, at::kBFloat16);
    to.slice(1, 0, w.inner).zero_();
    to.slice(1, 0, inner()).copy_(x);
    return to;
  }

  cuda::Call call_of(const cuda::PackedWeight& w, const at::Tensor& x) const {
    cuda::Call call{};
    call.kernel = cuda::Kernel::linear;
    call.linear = {};
    call.linear.weight = w;
    call.linear.x = bf16_of(x);
    call.linear.x_stride = static_cast<int>(x.size(1));
    call.linear.batch = static_cast<int>(x.size(0));
    call.linear.splits = 1;
    return call;
  }

  // fp32 [splits, batch, rows]
  at::Tensor sums(const cuda::PackedWeight& w, const at::Tensor& x, int splits, bool again = false) const {
    const at::Tensor in = padded(x, w);
    const at::Tensor out = poisoned(gpu(), {splits, x.size(0), rows()}, at::kFloat);
    cuda::Call call = call_of(w, in);
    call.linear.splits = splits;
    call.linear.sums = data_of<float>(out);
    call.linear.sums_stride = w.rows;
    run(gpu(), again ? Calls{call, call, call} : Calls{call});
    return out;
  }

  at::Tensor activated(const cuda::PackedWeight& w, const at::Tensor& x) const {
    const at::Tensor in = padded(x, w);
    const at::Tensor out = poisoned(gpu(), {x.size(0), rows() / 2 + 8}, at::kBFloat16);
    cuda::Call call = call_of(w, in);
    call.linear.activated = bf16_of(out);
    call.linear.activated_stride = static_cast<int>(out.size(1));
    run(gpu(), {call});
    EXPECT_TRUE(at::isnan(out.slice(1, rows() / 2)).all().item<bool>()) << "written behind the row";
    return out.slice(1, 0, rows() / 2);
  }

  template <size_t kCount>
  void for_each(const Shape (&shapes)[kCount], void (LinearOnGpu::*check)() const) {
    for (const Shape& shape : shapes) {
      SCOPED_TRACE(std::to_string(shape.rows) + " x " + std::to_string(shape.inner));
      shape_ = shape;
      (this->*check)();
    }
  }

  void expect_matmul() const {
    const PackedWeight packed = exact_weight(PackedWeight::Rows::plain);
    const at::Tensor weight = packed.dense();
    const cuda::PackedWeight w = packed.parameters();
    ASSERT_EQ(w.format, packed_format());
    const at::Tensor x = random_bf16({16, inner()});
    const at::Tensor expected = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t());
    const auto largest = expected.abs().max().item<double>();
    for (const int splits : kSplits) {
      SCOPED_TRACE("splits " + std::to_string(splits));
      const at::Tensor all = sums(w, x, splits);
      ASSERT_TRUE(near(all.to(at::kDouble).sum(0), expected, largest, tolerance::kTensorCoreSum));
      for (const int batch : kBatches) {
        const int first = 16 - batch;
        ASSERT_TRUE(at::equal(sums(w, x.slice(0, first), splits), all.slice(1, first))) << "batch " << batch;
        ASSERT_TRUE(at::equal(sums(w, x.slice(0, 0, batch), splits), all.slice(1, 0, batch))) << "batch " << batch;
      }
      for (int i = 0; i < 20; ++i) {
        const int batch = i % 2 == 0 ? 1 : 16;
        ASSERT_TRUE(at::equal(sums(w, x.slice(0, 0, batch), splits, i % 4 < 2), all.slice(1, 0, batch)))
            << "run " << i << ", batch " << batch;
      }
    }
  }

  void expect_activated() const {
    const PackedWeight packed = exact_weight(PackedWeight::Rows::gate_up);
    const at::Tensor weight = packed.dense();
    const cuda::PackedWeight w = packed.parameters();
    // Gates of about 2.
    const double spread = 2 / (std::sqrt(static_cast<double>(inner())) * weight.to(at::kFloat).std().item<double>());
    const at::Tensor x = (random_bf16({16, inner()}) * spread).to(at::kBFloat16);
    const at::Tensor product = at::matmul(x.to(at::kDouble), weight.to(at::kDouble).t()).to(at::kBFloat16);
    const at::Tensor expected = product.slice(1, rows() / 2) * at::silu(product.slice(1, 0, rows() / 2));
    const at::Tensor all = activated(w, x);
    ASSERT_TRUE(equal_as_bf16(all, expected));
    for (const int batch : kBatches) {
      ASSERT_TRUE(at::equal(activated(w, x.slice(0, 16 - batch)), all.slice(0, 16 - batch))) << "batch " << batch;
    }
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(at::equal(activated(w, x), all)) << "run " << i;
  }

  // Scales as they come: dense() rounds the kernels' weight once more, unless it is codes.
  void expect_dense_matmul() const {
    const PackedWeight packed = random_weight();
    const at::Tensor x = random_bf16({5, inner()});
    const at::Tensor expected = at::matmul(x.to(at::kDouble), packed.dense().to(at::kDouble).t());
    const at::Tensor actual = sums(packed.parameters(), x, 2).to(at::kDouble).sum(0);
    EXPECT_TRUE(near(actual, expected, expected.abs().max().item<double>(), tolerance::kBf16Step));
  }

  void expect_nan_stays() const {
    const PackedWeight packed = random_weight();
    const at::Tensor x = random_bf16({10, inner()});
    const at::Tensor clean = sums(packed.parameters(), x, 1);
    x[4].fill_(NAN);
    const at::Tensor marked = sums(packed.parameters(), x, 1);
    EXPECT_TRUE(at::isnan(marked.select(1, 4)).all().item<bool>());
    marked.select(1, 4).copy_(clean.select(1, 4));
    EXPECT_TRUE(at::equal(marked, clean));
  }

 protected:
  Shape shape_{};
};

constexpr Shape kUgly[] = {{16, 64}, {48, 32}, {32, 80}, {160, 128}};
constexpr Shape kPublic[] = {{384, 4096}, {4608, 4096}, {4096, 13696}, {27392, 4096}, {16512, 4096}};
INSTANTIATE_TEST_SUITE_P(Formats, LinearOnGpu, testing::ValuesIn(all_formats()), test_name);

TEST_P(LinearOnGpu, IsMatmulAndARowHasItsBitsInEveryBatch) {
  for_each(kUgly, &LinearOnGpu::expect_matmul);
}
TEST_P(LinearOnGpu, IsMatmulAndARowHasItsBitsInEveryBatchInPublicShapes) {
  for_each(kPublic, &LinearOnGpu::expect_matmul);
}

TEST_P(LinearOnGpu, GateAndUpAreActivated) {
  for_each(kUgly, &LinearOnGpu::expect_activated);
}
TEST_P(LinearOnGpu, GateAndUpAreActivatedInPublicShapes) {
  for_each(kPublic, &LinearOnGpu::expect_activated);
}

TEST_P(LinearOnGpu, IsMatmulOfTheDenseWeight) {
  for_each(kUgly, &LinearOnGpu::expect_dense_matmul);
}
TEST_P(LinearOnGpu, IsMatmulOfTheDenseWeightInPublicShapes) {
  for_each(kPublic, &LinearOnGpu::expect_dense_matmul);
}

TEST_P(LinearOnGpu, ABatchRowOfNanStaysAlone) {
  for_each(kUgly, &LinearOnGpu::expect_nan_stays);
}
TEST_P(LinearOnGpu, ABatchRowOfNanStaysAloneInPublicShapes) {
  for_each(kPublic, &LinearOnGpu::expect_nan_stays);
}

// The numbers of a checkpoint's codes are the same bits on the card and on the CPU: those that ATen makes for a prompt,
// and those that our kernels make for a token, each picked by an x of one 1.
class CodesOnGpu : public LinearOnGpu {};
INSTANTIATE_TEST_SUITE_P(Formats, CodesOnGpu, testing::ValuesIn(formats_of(/*coded=*/true)), test_name);

TEST_P(CodesOnGpu, AreTheNumbersOfTheCpu) {
  for (const int64_t group : {16, 32, 64, 128}) {
    SCOPED_TRACE("groups of " + std::to_string(group));
    shape_ = {64, 320};
    const CodedWeight here = cuda::with_format(format(), [&](auto row) {
      const DrawWhole whole = [](int64_t low, int64_t high, at::IntArrayRef shape) {
        return at::randint(low, high, shape, at::kFloat);
      };
      if constexpr (decltype(row)::kCoded) return exact_codes(row, {64, 320}, group, whole);
      return CodedWeight{};
    });
    CodedWeight there = here;
    there.codes = here.codes.to(gpu().device);
    there.scales = here.scales.to(gpu().device);
    if (here.zeros.defined()) there.zeros = here.zeros.to(gpu().device);
    const at::Tensor right = here.numbers_by_aten(at::kBFloat16, 0, 64);
    const PackedWeight packed(there, PackedWeight::Rows::plain);
    EXPECT_TRUE(at::equal(packed.dense().cpu(), right)) << "by ATen";
    for (int64_t first = 0; first < inner(); first += 16) {
      const at::Tensor x = at::zeros({16, inner()}, on(at::kBFloat16));
      x.slice(1, first, first + 16).fill_diagonal_(1);
      const at::Tensor picked = sums(packed.parameters(), x, 1)[0].cpu();
      ASSERT_TRUE(at::equal(picked, right.slice(1, first, first + 16).t().to(at::kFloat))) << "column " << first;
    }
  }
}

}  // namespace
}  // namespace glm
