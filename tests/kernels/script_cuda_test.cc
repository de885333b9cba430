// Which norms a launch lets each block compute for itself, and where that would read what isn't there.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/cuda/script.h"

namespace glm::cuda {
namespace {

// Memory of a norm and of the products behind it.
class KeptX : public testing::Test {
 protected:
  static constexpr int kDim = 64;

  Call norm(int batch = 1) {
    Call call{.kernel = Kernel::norm, .norm = {}};
    call.norm.y = y.data();
    call.norm.splits = 2;
    call.norm.before = residual.data();
    call.norm.residual = residual.data() + 16 * kDim;
    call.norm.x = x.data();
    call.norm.x_stride = kDim;
    call.norm.batch = batch;
    call.norm.dim = kDim;
    return call;
  }
  Call product(const bf16_bits* from, float* to, int batch = 1) const {
    Call call{.kernel = Kernel::linear, .linear = {}};
    call.linear.weight.rows = 16;
    call.linear.weight.inner = kDim;
    call.linear.x = from;
    call.linear.x_stride = kDim;
    call.linear.batch = batch;
    call.linear.splits = 1;
    call.linear.sums = to;
    call.linear.sums_stride = 16;
    return call;
  }
  static bool kept(std::vector<Call> calls) {
    keep_x_in_blocks(calls.data(), static_cast<int>(calls.size()));
    return calls[0].norm.own_x != 0;
  }

  std::vector<float> y = std::vector<float>(2 * 16 * kDim);
  std::vector<float> sums = std::vector<float>(16 * kDim);
  std::vector<bf16_bits> residual = std::vector<bf16_bits>(2 * 16 * kDim);
  std::vector<bf16_bits> x = std::vector<bf16_bits>(16 * kDim);
  std::vector<bf16_bits> other = std::vector<bf16_bits>(16 * kDim);
};

TEST_F(KeptX, IsKeptForTheOneProductThatReadsIt) {
  EXPECT_TRUE(kept({norm(), product(x.data(), sums.data())}));
  EXPECT_TRUE(kept({norm(), product(x.data(), sums.data()), product(other.data(), sums.data())}));
  EXPECT_FALSE(kept({norm(), product(other.data(), sums.data())}));
  EXPECT_FALSE(kept({norm(2), product(x.data(), sums.data(), 2)}));
}

TEST_F(KeptX, IsWrittenWhereASecondProductReadsIt) {
  EXPECT_FALSE(kept({norm(), product(x.data(), sums.data()), product(x.data(), sums.data())}));
  EXPECT_FALSE(kept({norm(), product(x.data(), sums.data()), product(other.data(), sums.data()),
                     product(x.data() + 8, sums.data())}));
  EXPECT_TRUE(kept({norm(), product(x.data(), sums.data()), norm(), product(x.data(), sums.data())}))
      << "it is written anew before it is read again";
}

// Blocks of such a launch look for x in device memory.
TEST_F(KeptX, IsWrittenInALaunchOfMoreThanEightRows) {
  EXPECT_FALSE(kept({norm(), product(x.data(), sums.data()), product(other.data(), sums.data(), 16)}));
}

// Slow blocks still norm while fast ones multiply.
TEST_F(KeptX, IsWrittenWhereTheProductWritesWhatTheNormReads) {
  EXPECT_FALSE(kept({norm(), product(x.data(), y.data())}));
  EXPECT_FALSE(kept({norm(), product(x.data(), y.data() + kDim)}));
  Call activates = product(x.data(), nullptr);
  activates.linear.activated = residual.data();
  activates.linear.activated_stride = kDim;
  EXPECT_FALSE(kept({norm(), activates}));
}

TEST(Splits, AreOneWhereTheDeviceCannotBeAsked) {
  const PackedWeight weight{.tiles = nullptr,
                            .row_scales = nullptr,
                            .group_scales = nullptr,
                            .rows = 64,
                            .inner = 4096,
                            .group = 0,
                            .format = {}};
  EXPECT_EQ(choose_splits(weight, 0), 1);
  EXPECT_EQ(choose_splits(weight, -1), 1);
}

}  // namespace
}  // namespace glm::cuda
