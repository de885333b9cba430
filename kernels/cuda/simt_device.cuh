// What a kernel body asks of the machine, in CUDA. The bodies (*.cuh) know only these names, so that tests can run them
// on the host, over tests/kernels/simt_host.h, which has the same ones.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#define GLM_DEVICE __device__ __forceinline__

namespace glm::simt {

// A block is one team of threads, or several. The thread within its team:
GLM_DEVICE int thread() {
  int index;  // volatile: what follows from it is computed again where it is used, because registers are scarcer
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(index));
  return index;
}
GLM_DEVICE int team() {
  return static_cast<int>(threadIdx.y);
}
GLM_DEVICE int teams() {
  return static_cast<int>(blockDim.y);
}
GLM_DEVICE int team_threads() {
  return static_cast<int>(blockDim.x);
}
// The thread within its block.
GLM_DEVICE int block_thread() {
  return team() * team_threads() + thread();
}
GLM_DEVICE int block_threads() {
  return teams() * team_threads();
}
struct Block {
  int x, y, z;
};
GLM_DEVICE Block block() {
  return {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z)};
}
// Blocks of the launch, along x.
GLM_DEVICE int blocks() {
  return static_cast<int>(gridDim.x);
}

// The block's dynamic shared memory, 16-byte aligned.
GLM_DEVICE char* shared() {
  extern __shared__ __align__(16) char memory[];
  return memory;
}

// sync() makes the threads of the block wait for each other, sync_team() those of this thread's team.
GLM_DEVICE void sync() {
  __syncthreads();
}
GLM_DEVICE void sync_team() {
  asm volatile("barrier.sync.aligned %0, %1;" ::"r"(1 + team()), "r"(team_threads()) : "memory");
}

GLM_DEVICE float shuffle_xor(float value, int mask) {
  return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
}
GLM_DEVICE uint32_t shuffle_xor(uint32_t value, int mask) {
  return __shfl_xor_sync(0xFFFFFFFFu, value, mask);
}
GLM_DEVICE uint64_t shuffle_xor(uint64_t value, int mask) {
  return __shfl_xor_sync(0xFFFFFFFFu, static_cast<unsigned long long>(value), mask);
}
// Returns the value of the lane that is `delta` lower. The lowest `delta` lanes get their own value.
GLM_DEVICE uint32_t shuffle_up(uint32_t value, int delta) {
  return __shfl_up_sync(0xFFFFFFFFu, value, delta);
}

// The lanes of a warp wait for each other.
GLM_DEVICE void sync_warp() {
  __syncwarp();
}

// Copies sixteen or eight bytes from device to shared memory, in the background. Both addresses are multiples of the
// size.
GLM_DEVICE void copy_async_16(void* shared_to, const void* from) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared_to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
GLM_DEVICE void copy_async_8(void* shared_to, const void* from) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared_to));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(to), "l"(from) : "memory");
}
// copy_async_commit() makes a group of this thread's copies since the last commit. copy_async_wait<N>() returns when
// all of this thread's groups but the latest N have arrived.
GLM_DEVICE void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kLeft>
GLM_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

// c += a b by a warp: a [16, 16] and b [16, 8] are bf16, c [16, 8] is fp32. Lane 4 g + t holds:
// | of  | in         | row              | columns          |
// | a   | a[0]       | g                | 2 t, 2 t + 1     |
// | a   | a[1]       | g + 8            | 2 t, 2 t + 1     |
// | a   | a[2]       | g                | 2 t + 8, 2 t + 9 |
// | a   | a[3]       | g + 8            | 2 t + 8, 2 t + 9 |
// | b   | b0         | 2 t, 2 t + 1     | g                |
// | b   | b1         | 2 t + 8, 2 t + 9 | g                |
// | c   | c[0], c[1] | g                | 2 t, 2 t + 1     |
// | c   | c[2], c[3] | g + 8            | 2 t, 2 t + 1     |
GLM_DEVICE void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Two fp32 rounded to bf16, ties to even, the first in the low half.
GLM_DEVICE uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
// Multiplies the halves of two words as bf16, and rounds each product, ties to even.
GLM_DEVICE uint32_t multiply_bf16x2(uint32_t a, uint32_t b) {
  uint32_t result;  // a b + -0
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(0x80008000u));
  return result;
}
// Returns a b + c of each half as fp16, rounded once, ties to even.
GLM_DEVICE uint32_t multiply_add_fp16x2(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t result;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
}
// Adds or multiplies the halves of two words as fp16, and rounds each result, ties to even.
GLM_DEVICE uint32_t add_fp16x2(uint32_t a, uint32_t b) {
  uint32_t result;  // .rn: never joined with a product
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
}
GLM_DEVICE uint32_t multiply_fp16x2(uint32_t a, uint32_t b) {
  uint32_t result;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
}
// The halves of a word as fp16, the low one first.
struct Floats2 {
  float low, high;
};
GLM_DEVICE Floats2 fp16_to_floats(uint32_t bits) {
  Floats2 v;
  asm("{.reg .b16 low, high;\n mov.b32 {low, high}, %2;\n cvt.f32.f16 %0, low;\n cvt.f32.f16 %1, high;}"
      : "=f"(v.low), "=f"(v.high)
      : "r"(bits));
  return v;
}
// Returns a b + c, rounded once.
GLM_DEVICE float multiply_add(float a, float b, float c) {
  return __fmaf_rn(a, b, c);
}
// Four bytes out of the eight of b:a, chosen by the four low nibbles of `select`.
GLM_DEVICE uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t select) {
  return __byte_perm(a, b, select);
}
// Returns the value as one that the compiler doesn't know, so that it stays in a register. (An instruction takes only
// one constant.)
GLM_DEVICE uint32_t opaque(uint32_t value) {
  uint32_t zero;
  asm volatile("mov.u32 %0, %%nwarpid;" : "=r"(zero));
  return value + (zero >> 16);
}
GLM_DEVICE float bits_to_float(uint32_t bits) {
  return __uint_as_float(bits);
}
GLM_DEVICE uint32_t float_to_bits(float value) {
  return __float_as_uint(value);
}
GLM_DEVICE float round_bf16(float value) {
  return __uint_as_float(pack_bf16(0.0f, value));
}
GLM_DEVICE float exponent(float x) {
  return expf(x);
}
GLM_DEVICE float divide(float a, float b) {
  return __fdiv_rn(a, b);
}
GLM_DEVICE float reciprocal_root(float x) {
  return rsqrtf(x);
}

struct Words4 {
  uint32_t word[4];
};
// Sixteen bytes at an address that is a multiple of sixteen.
GLM_DEVICE Words4 load16(const void* from) {
  const uint4 v = *static_cast<const uint4*>(from);
  return {{v.x, v.y, v.z, v.w}};
}
GLM_DEVICE void store16(void* to, const Words4& v) {
  *static_cast<uint4*>(to) = make_uint4(v.word[0], v.word[1], v.word[2], v.word[3]);
}
// Asks for the line at an address, as far as the second cache.
GLM_DEVICE void prefetch(const void* from) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(from));
}
struct Words2 {
  uint32_t word[2];
};
// Eight bytes at an address that is a multiple of eight.
GLM_DEVICE Words2 load8(const void* from) {
  const uint2 v = *static_cast<const uint2*>(from);
  return {{v.x, v.y}};
}
GLM_DEVICE void store8(void* to, const Words2& v) {
  *static_cast<uint2*>(to) = make_uint2(v.word[0], v.word[1]);
}
// A barrier over all blocks of a launch, which run at once, in two halves. One thread of each block calls them, between
// barriers of its block. wait_for_grid_barrier takes what arrive_at_grid_barrier has returned. The counter is zero
// before the first launch, and may stay from launch to launch: its top bit changes when the last block comes.
GLM_DEVICE uint32_t arrive_at_grid_barrier(uint32_t* counter) {
  const uint32_t more = blockIdx.x == 0 ? 0x80000000u - (gridDim.x - 1) : 1;
  uint32_t was;
  asm volatile("atom.add.acq_rel.gpu.u32 %0, [%1], %2;" : "=r"(was) : "l"(counter), "r"(more) : "memory");
  return was;
}
GLM_DEVICE void wait_for_grid_barrier(const uint32_t* counter, uint32_t was) {
  uint32_t now;
  do {
    asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(now) : "l"(counter) : "memory");
  } while (((now ^ was) & 0x80000000u) == 0);
}

}  // namespace glm::simt
