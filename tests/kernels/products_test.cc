// The CPU's products of many rows, and convolutions, in bf16.
#include "kernels/host/products.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <tuple>
#include <vector>

#include "kernels/convolution.h"
#include "kernels/host/host_kernels.h"
#include "tests/support/compare.h"

namespace glm::host {
namespace {

at::Tensor narrow_random(at::IntArrayRef shape) {
  return at::randn(shape).to(at::kBFloat16);
}

at::Tensor wide(const at::Tensor& x) {
  return x.to(at::kDouble);
}

at::Tensor narrow(const at::Tensor& x) {
  return x.to(at::kBFloat16);
}

class HostProducts : public testing::Test {
 protected:
  HostProducts() { at::manual_seed(11); }
  ~HostProducts() override { at::set_num_threads(threads_); }
  HostProducts(const HostProducts&) = delete;
  HostProducts& operator=(const HostProducts&) = delete;

 private:
  int threads_ = at::get_num_threads();
};

TEST_F(HostProducts, PanelsAreTheSameForAnyInstructions) {
  for (const auto& [rows, panels, depth] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 1, 1}, {5, 3, 17}, {12, 2, 64}, {31, 5, 100}}) {
    const int64_t row_panels = (rows + kPanelRows - 1) / kPanelRows;
    const at::Tensor x = at::randn({row_panels, depth, kPanelRows});
    const at::Tensor lanes = at::randn({panels, depth, kLanes});
    const at::Tensor before = at::randn({rows, panels * kLanes});
    const at::Tensor whole_rows = x.transpose(1, 2).reshape({-1, depth}).slice(0, 0, rows);
    const at::Tensor right =
        (at::matmul(wide(whole_rows), wide(lanes).transpose(1, 2).reshape({-1, depth}).t()) + wide(before))
            .to(at::kFloat);
    at::Tensor first;
    for (const char* name : {"plain", "avx2", "avx512"}) {
      const Kernels* kernels = kernels_named(name);
      if (kernels == nullptr) continue;
      const at::Tensor sums = before.clone();
      kernels->multiply_panels({.rows = x.const_data_ptr<float>(),
                                .rows_stride = depth * kPanelRows,
                                .row_count = rows,
                                .lanes = lanes.const_data_ptr<float>(),
                                .lanes_stride = depth * kLanes,
                                .lane_panels = panels,
                                .depth = depth,
                                .sums = sums.data_ptr<float>(),
                                .sums_stride = panels * kLanes});
      EXPECT_TRUE(near(sums, right, right.abs().max().item<double>(), tolerance::kStage)) << name << rows;
      if (!first.defined()) first = sums;
      EXPECT_TRUE(at::equal(sums, first)) << name << rows;
    }
  }
}

// Each result is rounded once, and doesn't depend on the threads. Rows up to 16 and above, and above 768, go their own
// ways.
TEST_F(HostProducts, AreRoundedOnce) {
  for (const auto& [rows, in, out] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 5, 3},
                                                                                        {16, 40, 70},
                                                                                        {17, 40, 1},
                                                                                        {65, 333, 130},
                                                                                        {100, 256, 64},
                                                                                        {800, 16, 21},
                                                                                        {13, 600, 200},
                                                                                        {5, 1030, 997}}) {
    const at::Tensor x = narrow_random({rows, in});
    const at::Tensor weight = narrow_random({out, in});
    const at::Tensor bias = narrow_random({out});
    const at::Tensor exact = at::matmul(wide(x), wide(weight).t());
    at::set_num_threads(1);
    const at::Tensor y = product(x, weight, {});
    EXPECT_EQ(y.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(equal_as_bf16(y, narrow(exact))) << rows << " " << out;
    const at::Tensor biased = product(x, weight, bias);
    EXPECT_TRUE(equal_as_bf16(biased, narrow(exact + wide(bias)))) << rows << " " << out;
    at::set_num_threads(3);
    EXPECT_TRUE(at::equal(product(x, weight, bias), biased)) << rows << " " << out;
  }
}

TEST_F(HostProducts, KeepTheShape) {
  const at::Tensor weight = narrow_random({6, 8});
  const at::Tensor x = narrow_random({2, 50, 3, 8});
  EXPECT_EQ(product(x, weight, {}).sizes(), (std::vector<int64_t>{2, 50, 3, 6}));
  const at::Tensor turned = x.transpose(1, 2);
  EXPECT_TRUE(at::equal(product(turned, weight, {}), product(turned.contiguous(), weight, {})));
  const at::Tensor turned_weight = narrow_random({8, 6}).t();
  EXPECT_TRUE(at::equal(product(x, turned_weight, {}), product(x, turned_weight.contiguous(), {})));
  EXPECT_EQ(product(at::empty({0, 8}, at::kBFloat16), weight, {}).sizes(), (std::vector<int64_t>{0, 6}));
}

TEST_F(HostProducts, ConvolutionsAreRoundedOnce) {
  for (const auto& [pictures, in, out, kernel, height, width] :
       std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t>>{{1, 3, 8, 3, 8, 8},
                                                                                     {2, 8, 3, 5, 9, 19},
                                                                                     {1, 16, 4, 1, 70, 3},
                                                                                     {1, 300, 30, 1, 4, 33},
                                                                                     {1, 70, 14, 3, 20, 64},
                                                                                     {1, 4, 4, 3, 1, 80}}) {
    const at::Tensor x = narrow_random({pictures, in, height, width});
    const at::Tensor weight = narrow_random({out, in, kernel, kernel});
    const at::Tensor bias = narrow_random({out});
    const at::Tensor exact = at::conv2d(wide(x), wide(weight), wide(bias), 1, kernel / 2);
    at::set_num_threads(1);
    const at::Tensor y = convolution(x, weight, bias);
    EXPECT_TRUE(equal_as_bf16(y, narrow(exact))) << height;
    at::set_num_threads(3);
    EXPECT_TRUE(at::equal(convolution(x, weight, bias), y)) << height;
  }
}

TEST_F(HostProducts, HalvingConvolutionsAreRoundedOnce) {
  for (const auto& [pictures, in, out, height, width] :
       std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>>{
           {1, 3, 8, 8, 8}, {2, 5, 3, 2, 38}, {1, 80, 14, 20, 6}, {1, 7, 4, 5, 67}}) {
    const at::Tensor x = narrow_random({pictures, in, height, width});
    const at::Tensor weight = narrow_random({out, in, 3, 3});
    const at::Tensor bias = narrow_random({out});
    const at::Tensor exact = at::conv2d(at::constant_pad_nd(wide(x), {0, 1, 0, 1}), wide(weight), wide(bias), 2);
    EXPECT_TRUE(equal_as_bf16(halved_convolution(x, weight, bias), narrow(exact))) << height;
  }
}

TEST_F(HostProducts, ConvolutionsOfPatchesAreRoundedOnce) {
  const at::Tensor x = narrow_random({2, 3, 28, 42});
  const at::Tensor weight = narrow_random({10, 3, 14, 14});
  const at::Tensor bias = narrow_random({10});
  const at::Tensor exact = at::conv2d(wide(x), wide(weight), wide(bias), 14);
  EXPECT_TRUE(equal_as_bf16(convolve_patches(x, weight, bias), narrow(exact)));
}

TEST_F(HostProducts, ConvolutionsOfDoubledPixelsAreRoundedOnce) {
  for (const auto& [pictures, in, out, height, width] :
       std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>>{
           {1, 3, 8, 8, 8}, {2, 5, 3, 1, 19}, {1, 80, 14, 20, 1}, {1, 7, 4, 5, 33}}) {
    const at::Tensor x = narrow_random({pictures, in, height, width});
    const at::Tensor weight = narrow_random({out, in, 3, 3});
    const at::Tensor bias = narrow_random({out});
    const at::Tensor doubled = at::upsample_nearest2d(wide(x), {2 * height, 2 * width});
    const at::Tensor exact = at::conv2d(doubled, wide(weight), wide(bias), 1, 1);
    EXPECT_TRUE(equal_as_bf16(doubled_convolution(x, weight, bias), narrow(exact))) << height;
  }
}

}  // namespace
}  // namespace glm::host
