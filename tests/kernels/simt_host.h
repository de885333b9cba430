// The names of kernels/cuda/simt_device.cuh on the host, so that tests run the kernels' bodies without a card. Threads
// are fibers of one OS thread. What a card leaves open is made as bad as it may be: memory begins as NaN, a background
// copy turns its target into NaN at once and brings the data only when it is waited for, and with Launch::order several
// blocks are under way and some warps far ahead of others. Barriers that part of the threads miss, misaligned accesses,
// writes past the shared memory and copies that nobody waits for end launch() with an error that says where.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>

#define GLM_DEVICE inline

namespace glm::simt {

struct Block {
  int x, y, z;
};

struct Launch {
  Block grid{1, 1, 1};
  int threads = 32;  // of a team, a multiple of 32
  int64_t shared_bytes = 0;
  // 0: one block after another, threads by turns; else a seed of which go first, several blocks at once.
  uint64_t order = 0;
  bool together = false;  // all blocks at once, for a barrier over the grid
  int teams = 1;          // of a block
};

// Runs `body` once for each thread. Throws std::runtime_error at the first mistake.
void launch(const Launch& launch, const std::function<void()>& body);

namespace host {

using Where = std::source_location;
using Deposit = std::array<uint32_t, 10>;

struct Running {
  int thread;  // of the block
  int team_threads;
  int teams;
  Block block;
  Block grid;
  char* shared;
};
extern Running running;
extern volatile char touch;

[[noreturn]] void fail(const std::string& what, const Where& where);
void block_barrier(const Where& where);
void team_barrier(const Where& where);
// Waits for the 32 lanes of the warp; what each of them brought. Valid until this lane's next exchange.
const std::array<Deposit, 32>& exchange(const char* operation, const Deposit& deposit, const Where& where);
void copy_async(void* shared_to, const void* from, int bytes, const Where& where);
void copy_async_commit();
void copy_async_wait(int left);
uint32_t arrive_at_grid_barrier(uint32_t* counter);
void wait_for_grid_barrier(const uint32_t* counter, uint32_t was, const Where& where);
void check_aligned(const void* address, int bytes, const Where& where);
uint16_t round_to_bf16(float value);
uint16_t multiply_bf16(uint16_t a, uint16_t b);
uint16_t round_to_fp16(double value);
float fp16_to_float(uint32_t bits);  // its low half
inline float bf16_to_float(uint32_t bits) {
  return std::bit_cast<float>(bits << 16);
}

}  // namespace host

inline int thread() {
  return host::running.thread % host::running.team_threads;
}
inline int team() {
  return host::running.thread / host::running.team_threads;
}
inline int teams() {
  return host::running.teams;
}
inline int team_threads() {
  return host::running.team_threads;
}
inline int block_thread() {
  return host::running.thread;
}
inline int block_threads() {
  return host::running.teams * host::running.team_threads;
}
inline Block block() {
  return host::running.block;
}
inline int blocks() {
  return host::running.grid.x;
}
inline char* shared() {
  return host::running.shared;
}

inline void sync(const host::Where& where = host::Where::current()) {
  host::block_barrier(where);
}

inline void sync_team(const host::Where& where = host::Where::current()) {
  host::team_barrier(where);
}

inline void sync_warp(const host::Where& where = host::Where::current()) {
  host::exchange("sync_warp", {}, where);
}

inline uint32_t shuffle_xor(uint32_t value, int mask, const host::Where& where = host::Where::current()) {
  return host::exchange("shuffle_xor", {value}, where)[(thread() % 32) ^ mask][0];
}
inline float shuffle_xor(float value, int mask, const host::Where& where = host::Where::current()) {
  return std::bit_cast<float>(shuffle_xor(std::bit_cast<uint32_t>(value), mask, where));
}
inline uint64_t shuffle_xor(uint64_t value, int mask, const host::Where& where = host::Where::current()) {
  const auto low = static_cast<uint32_t>(value);
  const auto high = static_cast<uint32_t>(value >> 32);
  const host::Deposit& other = host::exchange("shuffle_xor", {low, high}, where)[(thread() % 32) ^ mask];
  return uint64_t{other[1]} << 32 | other[0];
}
inline uint32_t shuffle_up(uint32_t value, int delta, const host::Where& where = host::Where::current()) {
  const int lane = thread() % 32;
  return host::exchange("shuffle_up", {value}, where)[lane < delta ? lane : lane - delta][0];
}

inline void copy_async_16(void* to, const void* from, const host::Where& where = host::Where::current()) {
  host::copy_async(to, from, 16, where);
}
inline void copy_async_8(void* to, const void* from, const host::Where& where = host::Where::current()) {
  host::copy_async(to, from, 8, where);
}
inline void copy_async_commit() {
  host::copy_async_commit();
}
template <int kLeft>
inline void copy_async_wait() {
  host::copy_async_wait(kLeft);
}

// Products are exact, their sum and c are added in double and rounded once.
void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
         const host::Where& where = host::Where::current());

inline uint32_t pack_bf16(float low, float high) {
  return uint32_t{host::round_to_bf16(low)} | uint32_t{host::round_to_bf16(high)} << 16;
}
inline uint32_t multiply_bf16x2(uint32_t a, uint32_t b) {
  return uint32_t{host::multiply_bf16(static_cast<uint16_t>(a), static_cast<uint16_t>(b))} |
         uint32_t{host::multiply_bf16(static_cast<uint16_t>(a >> 16), static_cast<uint16_t>(b >> 16))} << 16;
}
inline uint32_t multiply_add_fp16x2(uint32_t a, uint32_t b, uint32_t c) {  // in double, then rounded
  const auto half = [&](int shift) {
    const auto wide = [&](uint32_t word) { return static_cast<double>(host::fp16_to_float(word >> shift)); };
    return uint32_t{host::round_to_fp16(wide(a) * wide(b) + wide(c))} << shift;
  };
  return half(0) | half(16);
}
inline uint32_t add_fp16x2(uint32_t a, uint32_t b) {
  return multiply_add_fp16x2(a, 0x3C003C00u, b);
}
inline uint32_t multiply_fp16x2(uint32_t a, uint32_t b) {
  return multiply_add_fp16x2(a, b, 0x80008000u);  // + -0
}
struct Floats2 {
  float low, high;
};
inline Floats2 fp16_to_floats(uint32_t bits) {
  return {host::fp16_to_float(bits), host::fp16_to_float(bits >> 16)};
}
inline float multiply_add(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t select,
                              const host::Where& where = host::Where::current()) {
  if ((select & 0xFFFF8888u) != 0) host::fail("permute_bytes selects a byte above the seventh", where);
  const uint64_t bytes = uint64_t{b} << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) result |= static_cast<uint32_t>(bytes >> 8 * (select >> 4 * i & 7) & 0xFF) << 8 * i;
  return result;
}
inline uint32_t opaque(uint32_t value) {
  return value;
}
inline float bits_to_float(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
inline uint32_t float_to_bits(float value) {
  return std::bit_cast<uint32_t>(value);
}
inline float round_bf16(float value) {
  return host::bf16_to_float(host::round_to_bf16(value));
}
inline float exponent(float x) {
  return std::exp(x);
}
inline float divide(float a, float b) {
  return a / b;
}
inline float reciprocal_root(float x) {
  return 1.0f / std::sqrt(x);
}

struct Words4 {
  uint32_t word[4];
};
Words4 load16(const void* from, const host::Where& where = host::Where::current());
void store16(void* to, const Words4& v, const host::Where& where = host::Where::current());
inline void prefetch(const void* from) {  // a line that isn't there would be no error on a card; here it may be one
  host::touch = *static_cast<const volatile char*>(from);
}
struct Words2 {
  uint32_t word[2];
};
Words2 load8(const void* from, const host::Where& where = host::Where::current());
void store8(void* to, const Words2& v, const host::Where& where = host::Where::current());
inline uint32_t arrive_at_grid_barrier(uint32_t* counter) {
  return host::arrive_at_grid_barrier(counter);
}
inline void wait_for_grid_barrier(const uint32_t* counter, uint32_t was,
                                  const host::Where& where = host::Where::current()) {
  host::wait_for_grid_barrier(counter, was, where);
}

}  // namespace glm::simt
