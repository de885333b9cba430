// What a kernel body asks of the machine, as CUDA has it. The bodies (*.cuh) know only these names, so that tests can
// run them on the host, block by block, over tests/kernels/simt_host.h, which has the same ones.
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#define GLM_DEVICE __device__ __forceinline__

namespace glm::simt {

GLM_DEVICE int thread() {
  return static_cast<int>(threadIdx.x);
}
GLM_DEVICE int threads() {
  return static_cast<int>(blockDim.x);
}
struct Block {
  int x, y, z;
};
GLM_DEVICE Block block() {
  return {static_cast<int>(blockIdx.x), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.z)};
}
GLM_DEVICE int blocks() {
  return static_cast<int>(gridDim.x);
}  // along x

// The block's dynamic shared memory, 16-byte aligned.
GLM_DEVICE char* shared() {
  extern __shared__ __align__(16) char memory[];
  return memory;
}

GLM_DEVICE void sync() {
  __syncthreads();
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
// The value of the lane `delta` below; one's own in the lowest `delta` lanes.
GLM_DEVICE uint32_t shuffle_up(uint32_t value, int delta) {
  return __shfl_up_sync(0xFFFFFFFFu, value, delta);
}

// Sixteen, or eight, bytes from device to shared memory, in the background. Both addresses are multiples of the size.
GLM_DEVICE void copy_async_16(void* shared_to, const void* from) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared_to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
}
GLM_DEVICE void copy_async_8(void* shared_to, const void* from) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared_to));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(to), "l"(from) : "memory");
}
// Copies since the last commit become a group; wait<N> returns when all but this thread's last N groups are there.
GLM_DEVICE void copy_async_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int kLeft>
GLM_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

// c += a b of a warp: a [16, 16] and b [16, 8] bf16, c [16, 8] fp32. Lane 4 g + t holds of a the rows g, g + 8, g, g +
// 8 at columns 2t, 2t + 1 (first two words) and 2t + 8, 2t + 9; of b column g at rows 2t, 2t + 1 and 2t + 8, 2t + 9; of
// c row g at columns 2t, 2t + 1, then row g + 8.
GLM_DEVICE void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Two fp32 rounded to nearest even bf16, the first in the low half.
GLM_DEVICE uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
// Of two words, either half multiplied or subtracted as bf16, rounded to nearest even.
GLM_DEVICE uint32_t multiply_bf16x2(uint32_t a, uint32_t b) {
  uint32_t result;  // a b + -0
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(0x80008000u));
  return result;
}
GLM_DEVICE uint32_t subtract_bf16x2(uint32_t a, uint32_t b) {
  uint32_t result;  // b (-1) + a
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(b), "r"(0xBF80BF80u), "r"(a));
  return result;
}
// Four bytes out of the eight of b:a, chosen by the four low nibbles of `select`.
GLM_DEVICE uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t select) {
  return __byte_perm(a, b, select);
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
  return __fdiv_rn(1.0f, __fsqrt_rn(x));
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
// Past this multiprocessor's own cache: what another block of this launch has just written.
GLM_DEVICE Words4 load16_shared_by_blocks(const void* from) {
  const uint4 v = __ldcg(static_cast<const uint4*>(from));
  return {{v.x, v.y, v.z, v.w}};
}

GLM_DEVICE float load_shared_by_blocks(const float* from) {
  return __ldcg(from);
}

// Writes before it are seen by all blocks that see a write after it.
GLM_DEVICE void fence() {
  __threadfence();
}
// Counts 0, 1, … last, 0, …; returns what was there.
GLM_DEVICE uint32_t count_up(uint32_t* counter, uint32_t last) {
  return atomicInc(counter, last);
}

// Programmatic dependent launch: the kernel after this one may begin before this one ends, and waits where its input is
// needed. Nothing on cards before Hopper.
GLM_DEVICE void wait_for_previous_kernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
GLM_DEVICE void let_next_kernel_begin() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace glm::simt
