#include "tests/kernels/decoder_checks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <optional>
#include <tuple>
#include <vector>

#include "kernels/decoder_kernels.h"
#include "tests/kernels/row_groups.h"
#include "tests/support/compare.h"

namespace glm {
namespace {

constexpr double kEps = 1e-5;

// Random numbers on a device. The mean of each row is far from 0, because a norm has to remove it.
class Numbers {
 public:
  explicit Numbers(at::Device device) : device_(device) { at::manual_seed(5); }

  at::Tensor bf16(at::IntArrayRef shape, double mean = 0) const {
    return (at::randn(shape) + mean).to(device_, at::kBFloat16);
  }
  RotaryTable rotary(int64_t image, int64_t head) const {
    const at::Tensor angles = at::randn({image, head}) * 3;
    return {angles.cos().to(device_), angles.sin().to(device_)};
  }

 private:
  at::Device device_;
};

int64_t rows_of(const std::vector<SequenceRows>& sequences) {
  return groups_of(sequences).back().end;
}

const std::vector<std::vector<SequenceRows>>& sequence_cases() {
  static const std::vector<std::vector<SequenceRows>> all = {
      {{0, 1}}, {{2, 5}}, {{2, 40}, {0, 40}}, {{517, 64}, {2, 64}}, {{0, 7}, {0, 7}}};
  return all;
}

struct ModulationCase {
  std::vector<SequenceRows> sequences;
  int64_t dim;
  bool product = true;  // whether there is something to add
  bool norm = true;
};

void check_modulation(const cuda::Library& library, const Numbers& numbers, const ModulationCase& c) {
  const std::vector<RowGroup> groups = groups_of(c.sequences);
  const at::Tensor x = numbers.bf16({rows_of(c.sequences), c.dim}, 3);
  const at::Tensor tables = numbers.bf16({2, 3 * c.dim});  // side by side, as a block's product has them
  std::optional<Gated> product;
  std::optional<Modulation> modulation;
  if (c.product) product = {numbers.bf16(x.sizes()), tables.slice(1, 0, c.dim)};
  if (c.norm) modulation = {tables.slice(1, c.dim, 2 * c.dim), tables.slice(1, 2 * c.dim)};
  at::Tensor ours = x.clone();
  at::Tensor right = x.clone();
  const at::Tensor our_norm = DecoderKernels(&library).modulate(ours, product, groups, modulation, kEps);
  const at::Tensor right_norm = modulate_by_aten(right, product, groups, modulation, kEps);
  EXPECT_TRUE(at::equal(ours, right)) << "the sum";
  ASSERT_EQ(our_norm.defined(), c.norm);
  if (c.norm) {
    EXPECT_TRUE(equal_as_bf16(our_norm, right_norm));
  }
}

}  // namespace

void check_modulations(const cuda::Library& library, at::Device device) {
  const Numbers numbers(device);
  for (const std::vector<SequenceRows>& sequences : sequence_cases()) {
    check_modulation(library, numbers, {sequences, 192});
  }
  for (const int64_t dim : {8, 64, 2048, 2056, 4096, 8192}) {
    SCOPED_TRACE(testing::Message() << "dim " << dim);
    check_modulation(library, numbers, {{{2, 5}, {1, 5}}, dim});
    check_modulation(library, numbers, {{{2, 5}, {1, 5}}, dim, /*product=*/false});
    check_modulation(library, numbers, {{{2, 5}, {1, 5}}, dim, /*product=*/true, /*norm=*/false});
  }
  check_modulation(library, numbers, {{{50, 4096}}, 64});
}

void check_heads(const cuda::Library& library, at::Device device) {
  const Numbers numbers(device);
  for (const std::vector<SequenceRows>& sequences : sequence_cases()) {
    for (const auto& [heads, head] : std::vector<std::pair<int64_t, int64_t>>{{3, 64}, {2, 128}, {5, 16}, {1, 256}}) {
      SCOPED_TRACE(testing::Message() << rows_of(sequences) << " rows, " << heads << " heads of " << head);
      const at::Tensor qkv = numbers.bf16({rows_of(sequences), 3, heads, head}, 2);
      const RotaryTable rotary = numbers.rotary(sequences[0].image, head);
      const at::Tensor ours = qkv.clone();
      const at::Tensor right = qkv.clone();
      const at::Tensor our_heads = DecoderKernels(&library).norm_heads(ours, sequences, rotary, kEps);
      EXPECT_TRUE(equal_as_bf16(our_heads, norm_heads_by_aten(right, sequences, rotary, kEps)));
      EXPECT_TRUE(at::equal(ours.select(1, 2), qkv.select(1, 2))) << "values stay";
    }
  }
}

void check_group_norms(const cuda::Library& library, at::Device device) {
  const Numbers numbers(device);
  for (const auto& [pictures, channels, groups, height, width] :
       std::vector<std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>>{{1, 8, 2, 1, 1},
                                                                            {2, 16, 4, 3, 5},
                                                                            {1, 32, 4, 40, 27},
                                                                            {2, 128, 32, 17, 31},
                                                                            {1, 512, 32, 9, 8},
                                                                            {1, 2048, 32, 2, 3}}) {
    for (const double mean : {0.0, 100.0}) {  // the second shows sums that lose digits
      for (const bool silu : {false, true}) {
        SCOPED_TRACE(testing::Message() << channels << " channels, " << height << " x " << width << ", mean " << mean);
        const at::Tensor x = numbers.bf16({pictures, channels, height, width}, mean);
        const at::Tensor weight = numbers.bf16({channels});
        const at::Tensor bias = numbers.bf16({channels});
        const at::Tensor ours = DecoderKernels(&library).group_norm(x, groups, weight, bias, 1e-6, silu);
        const at::Tensor normed =  // ATen's of bf16 loses digits to a large mean
            at::group_norm(x.to(at::kDouble), groups, weight.to(at::kDouble), bias.to(at::kDouble), 1e-6).to(x.dtype());
        const at::Tensor right = silu ? at::silu(normed) : normed;
        EXPECT_TRUE(equal_as_bf16(ours, right));
        EXPECT_TRUE(ours.is_contiguous(at::MemoryFormat::ChannelsLast));
        const DecoderKernels kernels(&library);
        const at::Tensor statistics = kernels.group_statistics(x, groups, 1e-6);
        const at::Tensor reference = DecoderKernels(nullptr, /*band_bytes=*/64).group_statistics(x, groups, 1e-6);
        EXPECT_TRUE(near(statistics, reference, reference.abs().max().item<double>(), tolerance::kStage));
        GroupStatistics gathered(kernels, groups, 1e-6);
        for (const at::Tensor& band : x.split(7, 2)) gathered.add(band);
        EXPECT_TRUE(near(gathered.joined(), reference, reference.abs().max().item<double>(), tolerance::kStage));
        const at::Tensor rows = kernels.group_norm_by(statistics, x.slice(2, height / 2), weight, bias, silu);
        EXPECT_TRUE(at::equal(rows, ours.slice(2, height / 2))) << "some of the rows";
      }
    }
  }
}

void check_other_sizes(const cuda::Library& library, at::Device device) {
  const Numbers numbers(device);
  check_modulation(library, numbers, {{{2, 5}}, 20});
  check_modulation(library, numbers, {{{2, 5}}, 8200});
  const DecoderKernels ours(&library);
  const at::Tensor qkv = numbers.bf16({7, 3, 2, 24});
  const RotaryTable rotary = numbers.rotary(5, 24);
  EXPECT_TRUE(at::equal(ours.norm_heads(qkv, {{2, 5}}, rotary, kEps), norm_heads_by_aten(qkv, {{2, 5}}, rotary, kEps)));
  const at::Tensor x = numbers.bf16({1, 24, 4, 4});
  const at::Tensor ones = at::ones({24}, x.options());
  EXPECT_TRUE(at::equal(ours.group_norm(x, 4, ones, ones, 1e-6, true),
                        DecoderKernels().group_norm(x, 4, ones, ones, 1e-6, true)));
}

}  // namespace glm
