// The emulator itself: it must be right, and it must see what it promises to see.
#include "tests/kernels/simt_host.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

namespace glm {
namespace {

using simt::launch;
using simt::sync;
using simt::thread;

std::string error_of(const simt::Launch& where, const std::function<void()>& body) {
  try {
    launch(where, body);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

testing::AssertionResult tells(const std::string& error, const std::string& part) {
  if (error.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "expected '" << part << "' in '" << error << "'";
}

class Machine : public testing::TestWithParam<uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Orders, Machine, testing::Values(0, 1, 2));

TEST_P(Machine, ABarrierHoldsTheBlockUntilAllAreThere) {
  for (const int threads : {32, 256, 1024}) {
    std::vector<int> seen;
    const auto body = [&] {
      auto* values = reinterpret_cast<int*>(simt::shared());
      for (int turn = 0; turn < 5; ++turn) {
        values[thread()] = turn * threads + thread();
        sync();
        const int other = (thread() + 37) % threads;
        if (values[other] != turn * threads + other) seen.push_back(thread());
        sync();
      }
    };
    launch({{3, 1, 1}, threads, 4 * threads, GetParam()}, body);
    EXPECT_TRUE(seen.empty()) << threads;
  }
}

TEST_P(Machine, EachBlockRunsOnceAndKnowsItsPlace) {
  std::vector<int> counts(2 * 3 * 4 * 64);
  const auto body = [&] {
    const simt::Block b = simt::block();
    ++counts[((b.z * 3 + b.y) * 2 + b.x) * 64 + thread()];
    if (simt::blocks() != 2 || simt::block_threads() != 64) counts[0] = 100;
  };
  launch({{2, 3, 4}, 64, 0, GetParam()}, body);
  EXPECT_EQ(counts, std::vector<int>(counts.size(), 1));
}

TEST_P(Machine, ShufflesAreOfTheWarp) {
  std::vector<uint32_t> sums(128);
  std::vector<uint32_t> up(128);
  std::vector<uint64_t> largest(128);
  std::vector<float> sums_of_floats(128);
  const auto body = [&] {
    const int i = thread();
    auto sum = static_cast<uint32_t>(i);
    auto wide = static_cast<uint64_t>(i) << 33 | 1;
    auto real = static_cast<float>(i) / 2;
    for (int mask = 16; mask > 0; mask /= 2) {
      sum += simt::shuffle_xor(sum, mask);
      wide = std::max(wide, simt::shuffle_xor(wide, mask));
      real += simt::shuffle_xor(real, mask);
    }
    sums[i] = sum, largest[i] = wide, sums_of_floats[i] = real;
    up[i] = simt::shuffle_up(static_cast<uint32_t>(i), 5);
  };
  launch({{1, 1, 1}, 128, 0, GetParam()}, body);
  for (int i = 0; i < 128; ++i) {
    const int warp = i / 32;
    EXPECT_EQ(sums[i], 32 * 32 * warp + 496) << i;
    EXPECT_EQ(sums_of_floats[i], (32 * 32 * warp + 496) / 2.0f) << i;
    EXPECT_EQ(largest[i], static_cast<uint64_t>(32 * warp + 31) << 33 | 1) << i;
    EXPECT_EQ(up[i], i % 32 < 5 ? i : i - 5) << i;
  }
}

at::Tensor random_bf16(at::IntArrayRef shape) {
  return at::randn(shape).to(at::kBFloat16);
}

TEST_P(Machine, MmaIsMatmul) {
  const at::Tensor a = random_bf16({16, 16});
  const at::Tensor b = random_bf16({16, 8});
  const at::Tensor c = at::randn({16, 8});
  const at::Tensor result = at::empty({16, 8});
  const auto* a_bits = static_cast<const uint16_t*>(a.const_data_ptr());
  const auto* b_bits = static_cast<const uint16_t*>(b.const_data_ptr());
  const auto body = [&] {
    const int g = thread() / 4;
    const int t = thread() % 4;
    const auto pair_of_a = [&](int row, int column) {
      return uint32_t{a_bits[row * 16 + column]} | uint32_t{a_bits[row * 16 + column + 1]} << 16;
    };
    const auto pair_of_b = [&](int row, int column) {
      return uint32_t{b_bits[row * 8 + column]} | uint32_t{b_bits[(row + 1) * 8 + column]} << 16;
    };
    const uint32_t words[4] = {pair_of_a(g, 2 * t), pair_of_a(g + 8, 2 * t), pair_of_a(g, 2 * t + 8),
                               pair_of_a(g + 8, 2 * t + 8)};
    const auto* in = c.const_data_ptr<float>();
    float sums[4] = {in[g * 8 + 2 * t], in[g * 8 + 2 * t + 1], in[(g + 8) * 8 + 2 * t], in[(g + 8) * 8 + 2 * t + 1]};
    simt::mma(sums, words, pair_of_b(2 * t, g), pair_of_b(2 * t + 8, g));
    auto* out = result.mutable_data_ptr<float>();
    for (int i = 0; i < 4; ++i) out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
  };
  launch({{1, 1, 1}, 32, 0, GetParam()}, body);
  const at::Tensor expected = at::matmul(a.to(at::kDouble), b.to(at::kDouble)) + c;
  EXPECT_TRUE(at::equal(result, expected.to(at::kFloat)));
}

// What a body that reads too early, or reuses a place too early, gets to see.
TEST_P(Machine, CopiesComeWhenTheyAreWaitedFor) {
  alignas(16) std::array<float, 4> source[3] = {{1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}};
  std::vector<float> seen;
  const auto body = [&] {
    auto* to = reinterpret_cast<float*>(simt::shared());
    if (thread() != 7) return;
    to[0] = 9;
    for (int i = 0; i < 3; ++i) {
      simt::copy_async_16(to + 4 * i, &source[i]);
      simt::copy_async_commit();
    }
    const auto look = [&] { seen.insert(seen.end(), {to[0], to[4], to[8]}); };
    look();
    simt::copy_async_wait<2>();
    look();
    simt::copy_async_commit();  // an empty group counts too
    simt::copy_async_wait<2>();
    look();
    simt::copy_async_wait<0>();
    look();
  };
  launch({{1, 1, 1}, 32, 48, GetParam()}, body);
  const std::vector<float> expected = {NAN, NAN, NAN, 1, NAN, NAN, 1, 2, NAN, 1, 2, 3};
  ASSERT_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_TRUE(std::isnan(expected[i]) ? std::isnan(seen[i]) : seen[i] == expected[i]) << i << ": " << seen[i];
  }
}

TEST_P(Machine, MemoryBeginsAsNan) {
  int numbers = 0;
  const auto body = [&] {
    auto* value = reinterpret_cast<float*>(simt::shared()) + thread();
    numbers += std::isnan(*value) ? 0 : 1;
    *value = 1;
  };
  launch({{4, 1, 1}, 64, 256, GetParam()}, body);
  EXPECT_EQ(numbers, 0);
}

// Mistakes that a card forgives most of the time: some order has to show each.
int orders_that_show(const simt::Launch& launched, const std::function<void()>& body,
                     const std::function<bool()>& wrong) {
  int count = 0;
  for (uint64_t order = 1; order <= 20; ++order) {
    simt::Launch shuffled = launched;
    shuffled.order = order;
    launch(shuffled, body);
    count += wrong() ? 1 : 0;
  }
  return count;
}

TEST(MachineOrders, ShowAnArrivalThatIsAheadOfTheWrites) {
  for (const bool barrier : {true, false}) {
    std::vector<int> written;
    uint32_t arrived = 0;
    int missing = 0;
    const auto body = [&] {
      const int i = simt::block().x * 64 + thread();
      written.resize(256);
      written[i] = 1;
      if (barrier) sync();
      if (thread() == 0) simt::wait_for_grid_barrier(&arrived, simt::arrive_at_grid_barrier(&arrived));
      sync();
      if (i == 0) missing = 256 - std::accumulate(written.begin(), written.end(), 0);
    };
    const auto wrong = [&] {
      written.clear();
      return std::exchange(missing, 0) != 0;
    };
    const int shown =
        orders_that_show({.grid = {4, 1, 1}, .threads = 64, .shared_bytes = 16, .together = true}, body, wrong);
    EXPECT_EQ(shown > 0, !barrier) << shown;
  }
}

// A team's barrier holds its own threads and nobody else's.
TEST(MachineOrders, ATeamWaitsForItself) {
  for (const bool barrier : {true, false}) {
    std::array<int, 128> written{};
    int missing = 0;
    const auto body = [&] {
      for (int turn = 1; turn <= 1 + simt::team(); ++turn) {  // the teams meet at different times
        written[simt::block_thread()] = turn;
        if (barrier) simt::sync_team();
        for (int i = 0; i < simt::team_threads(); ++i) {
          missing += written[simt::team() * simt::team_threads() + i] < turn ? 1 : 0;
        }
        simt::sync_team();
      }
    };
    const auto wrong = [&] {
      written = {};
      return std::exchange(missing, 0) != 0;
    };
    EXPECT_EQ(orders_that_show({.grid = {1, 1, 1}, .threads = 64, .teams = 2}, body, wrong) > 0, !barrier);
  }
}

TEST(MachineOrders, ABlocksBarrierThatATeamMissesIsAnError) {
  const auto body = [] {
    if (simt::team() == 0) simt::sync();
  };
  EXPECT_THROW(launch({.grid = {1, 1, 1}, .threads = 32, .teams = 2}, body), std::runtime_error);
}

TEST(MachineOrders, AGridsBarrierHoldsTurnAfterTurn) {
  uint32_t arrived = 0;
  for (uint64_t order = 0; order < 10; ++order) {
    int counts[5] = {};
    const auto body = [&] {
      for (int& count : counts) {
        if (thread() == 0) {
          ++count;
          simt::wait_for_grid_barrier(&arrived, simt::arrive_at_grid_barrier(&arrived));
          if (count != 6) throw std::runtime_error("a block goes on before the others have come");
        }
        sync();
      }
    };
    launch({.grid = {6, 1, 1}, .threads = 64, .order = order, .together = true}, body);
    for (const int count : counts) EXPECT_EQ(count, 6);
  }
}

TEST(MachineOrders, AGridsBarrierThatABlockMissesIsAnError) {
  uint32_t arrived = 0;
  const auto body = [&] {
    if (simt::block().x != 1 && thread() == 0)
      simt::wait_for_grid_barrier(&arrived, simt::arrive_at_grid_barrier(&arrived));
  };
  EXPECT_THROW(launch({.grid = {3, 1, 1}, .threads = 32, .together = true}, body), std::runtime_error);
}

TEST(MachineOrders, ShowAPlaceThatIsWrittenAgainTooEarly) {
  for (const bool barrier : {true, false}) {
    int wrong_reads = 0;
    const auto body = [&] {
      auto* place = reinterpret_cast<int*>(simt::shared());
      for (int turn = 0; turn < 3; ++turn) {
        if (thread() == 32 * turn) *place = turn;
        sync();
        wrong_reads += *place == turn ? 0 : 1;
        if (barrier) sync();
      }
    };
    const int shown =
        orders_that_show({{1, 1, 1}, 128, 16, 0}, body, [&] { return std::exchange(wrong_reads, 0) != 0; });
    EXPECT_EQ(shown > 0, !barrier) << shown;
  }
}

TEST_P(Machine, SeesABarrierThatSomeMiss) {
  const simt::Launch two_warps{{1, 1, 1}, 64, 0, GetParam()};
  const auto body = [] {
    if (thread() != 40) sync();
  };
  EXPECT_TRUE(tells(error_of(two_warps, body), "63 of 64 threads wait for ones that don't come"));
  const auto lanes = [] {
    if (thread() % 32 < 16) simt::shuffle_xor(1u, 1);
  };
  EXPECT_TRUE(tells(error_of(two_warps, lanes), "in shuffle_xor"));
  const auto apart = [] {
    if (thread() < 32) {
      sync();
    } else {
      sync();
    }
  };
  EXPECT_TRUE(tells(error_of(two_warps, apart), "while others are in sync at simt_host_test.cc"));
  EXPECT_EQ(error_of(two_warps, [] {}), "") << "and goes on afterwards";
}

TEST(MachineErrors, MisalignedAndOutside) {
  alignas(16) static char source[64] = {};
  const simt::Launch one{{1, 1, 1}, 32, 64, 0};
  const auto with = [&](auto body) { return error_of(one, [&] { thread() == 3 ? body() : void(); }); };
  EXPECT_TRUE(tells(with([] { simt::load16(source + 8); }), "thread 3 at simt_host_test.cc"));
  EXPECT_TRUE(tells(with([] { simt::store16(source + 4, {}); }), "misaligned"));
  EXPECT_TRUE(tells(with([] { simt::copy_async_8(simt::shared() + 4, source); }), "misaligned"));
  EXPECT_TRUE(tells(with([] { simt::copy_async_16(simt::shared(), source + 8); }), "misaligned"));
  EXPECT_TRUE(tells(with([] { simt::copy_async_16(simt::shared() + 64, source); }), "outside"));
  EXPECT_TRUE(tells(with([] { simt::copy_async_8(simt::shared(), source); }), "nobody waited for"));
  EXPECT_TRUE(tells(with([] { simt::shared()[64] = 0; }), "outside of its shared memory"));
  EXPECT_TRUE(tells(with([] { simt::shared()[-1] = 0; }), "outside of its shared memory"));
  EXPECT_EQ(with([] { simt::shared()[63] = 0; }), "");
  EXPECT_TRUE(tells(error_of({{1, 1, 1}, 48, 0, 0}, [] {}), "48 threads"));
}

// Every pair of a few hundred bf16, against torch's rounding of the exact result.
TEST(MachineArithmetic, HalvesRoundOnceToNearestEven) {
  std::vector<int> bits = {0, 0x8000, 1, 0x8001, 0x7F, 0x80, 0x3F80, 0x3F81, 0x7F7F, 0xFF7F, 0x0040, 0x2000, 0x1FFF};
  for (int i = 0; i < 300; ++i) bits.push_back(at::randint(0x10000, {1}).item<int>());
  for (const int a : bits) {
    for (const int b : bits) {
      const float x = simt::host::bf16_to_float(a);
      const float y = simt::host::bf16_to_float(b);
      if (!std::isfinite(x) || !std::isfinite(y)) continue;
      const uint32_t product = simt::multiply_bf16x2(static_cast<uint32_t>(a) << 16 | a, b << 16 | 0x3F80);
      ASSERT_EQ(product & 0xFFFF, static_cast<uint32_t>(a));
      if (std::abs(x * y) >= 0x1p-126f || x * y == 0) {
        ASSERT_EQ(product >> 16, c10::BFloat16(x * y).x) << x << " " << y;
      }
      ASSERT_EQ(simt::pack_bf16(0, x - y) >> 16, c10::BFloat16(x - y).x);
      ASSERT_EQ(simt::pack_bf16(x * 1.001f, y),
                uint32_t{c10::BFloat16(x * 1.001f).x} | uint32_t{c10::BFloat16(y).x} << 16);
    }
  }
  EXPECT_EQ(simt::multiply_bf16x2(0x0081, 0x3F00) & 0xFFFF, 0x0040u) << "2^-126 (1 + 2^-7) / 2: even";
  for (const int a : bits) {
    for (const int b : bits) {
      const c10::Half x(static_cast<uint16_t>(a), c10::Half::from_bits());
      const c10::Half y(static_cast<uint16_t>(b), c10::Half::from_bits());
      const auto sum = static_cast<double>(x) + static_cast<double>(y);
      if (!std::isfinite(static_cast<float>(x)) || !std::isfinite(static_cast<float>(y))) continue;
      EXPECT_EQ(simt::host::fp16_to_float(a), static_cast<float>(x));
      const uint32_t both_a = static_cast<uint32_t>(a) << 16 | a;
      const uint32_t product = simt::multiply_fp16x2(both_a, b << 16 | 0x3C00);
      ASSERT_EQ(product & 0xFFFF, static_cast<uint32_t>(a));
      ASSERT_EQ(product >> 16, c10::Half(static_cast<float>(x) * static_cast<float>(y)).x) << x << " " << y;
      if (sum != static_cast<double>(static_cast<float>(sum))) continue;  // c10::Half would be rounded twice
      ASSERT_EQ(simt::add_fp16x2(both_a, b << 16 | b) >> 16, c10::Half(static_cast<float>(sum)).x) << x << " " << y;
    }
  }
  EXPECT_EQ(simt::permute_bytes(0x33221100, 0x77665544, 0x7041), 0x77004411u);
  EXPECT_EQ(simt::reciprocal_root(16.0f), 0.25f);
}

}  // namespace
}  // namespace glm
