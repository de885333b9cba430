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

  // A weight that packing keeps bit for bit: whole codes, a power of two for each row (int4: each group).
  at::Tensor exact_weight() const {
    const auto powers = [&](at::IntArrayRef shape) {
      const at::Tensor all = at::tensor({0x1p-9, 0x1p-8, 0x1p-7, 0x1p-6, 0x1p-5}, at::kFloat).to(gpu().device);
      return all.index({at::randint(0, 5, shape, on(at::kLong))});
    };
    switch (packed_format()) {
      case Format::bf16:
        return random_bf16({rows(), inner()});
      case Format::fp8: {
        const at::Tensor bytes = at::randint(0, 127, {rows(), inner()}, on(at::kByte)) +
                                 128 * at::randint(0, 2, {rows(), inner()}, on(at::kByte));
        const at::Tensor codes = bytes.to(at::kByte).view(at::kFloat8_e4m3fn).to(at::kFloat);
        codes.select(1, 0).fill_(448);
        return codes * powers({rows(), 1}) / 4;
      }
      case Format::int8: {
        const at::Tensor codes = at::randint(-127, 128, {rows(), inner()}, on(at::kFloat));
        codes.select(1, inner() - 1).fill_(-127);
        return codes * powers({rows(), 1});
      }
      case Format::int4: {
        const int64_t groups = inner() / cuda::kGroupInner;
        const at::Tensor codes = at::randint(0, 16, {rows(), groups, cuda::kGroupInner}, on(at::kFloat));
        codes.select(2, 5).fill_(0);
        codes.select(2, 77).fill_(15);
        const at::Tensor zeros = at::randint(0, 16, {rows(), groups, 1}, on(at::kFloat));
        return ((codes - zeros) * powers({rows(), groups, 1}) * 8).flatten(1);
      }
    }
    return {};
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
    const at::Tensor weight = exact_weight();
    const PackedWeight packed(weight, format(), PackedWeight::Rows::plain);
    ASSERT_TRUE(at::equal(packed.dense(), weight.to(at::kBFloat16))) << "this weight is packed without loss";
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
    const at::Tensor weight = exact_weight();
    const PackedWeight packed(weight, format(), PackedWeight::Rows::gate_up);
    ASSERT_TRUE(at::equal(packed.dense(), weight.to(at::kBFloat16)));
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

  // Scales as they come: dense() rounds the kernels' weight once more.
  void expect_dense_matmul() const {
    const at::Tensor weight = random_bf16({rows(), inner()});
    const PackedWeight packed(weight, format(), PackedWeight::Rows::plain);
    const at::Tensor x = random_bf16({5, inner()});
    const at::Tensor expected = at::matmul(x.to(at::kDouble), packed.dense().to(at::kDouble).t());
    const at::Tensor actual = sums(packed.parameters(), x, 2).to(at::kDouble).sum(0);
    EXPECT_TRUE(near(actual, expected, expected.abs().max().item<double>(), tolerance::kBf16Step));
  }

  void expect_nan_stays() const {
    const PackedWeight packed(random_bf16({rows(), inner()}), format(), PackedWeight::Rows::plain);
    const at::Tensor x = random_bf16({10, inner()});
    const at::Tensor clean = sums(packed.parameters(), x, 1);
    x[4].fill_(NAN);
    const at::Tensor marked = sums(packed.parameters(), x, 1);
    EXPECT_TRUE(at::isnan(marked.select(1, 4)).all().item<bool>());
    marked.select(1, 4).copy_(clean.select(1, 4));
    EXPECT_TRUE(at::equal(marked, clean));
  }

 private:
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

}  // namespace
}  // namespace glm
