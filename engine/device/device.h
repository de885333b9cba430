// Where tensors live. Nothing here or elsewhere in engine/ is linked with CUDA: LibTorch's CUDA library is loaded when
// a GPU is asked for, and from then on ATen's functions take tensors on it.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "engine/device/cuda_driver.h"

namespace glm {

// Why this GPU can't be used, or nothing. Loads LibTorch's CUDA library.
std::string problem_of(const CudaDevice& device);

// "cpu", "cuda" (the first GPU), "cuda:N", or "auto": the first GPU when it can be used, else the CPU. A GPU computes
// with IEEE fp32 (no TF32), fp32 sums of bf16 products and deterministic convolutions from then on. `note`: says why
// "auto" passed over a GPU. Throws Error(usage) for another name, Error(device) for a GPU that can't be used.
//
// LibTorch asks once in a process whether CUDA is there, when something is computed first. So "cpu" loads its library
// too on a machine with a GPU (0.2 s), and a GPU may be opened later.
at::Device open_device(const std::string& name, std::string* note = nullptr);

// Bytes of memory that the device has in all.
int64_t memory_of(at::Device device);

// Bytes of it that are free now, or can be made so.
int64_t free_memory_of(at::Device device);

// The most that this process has had of it so far.
int64_t peak_memory_of(at::Device device);

// Waits until all that was handed to the device is done. Nothing on the CPU.
void synchronize(at::Device device);

// Gives the memory that LibTorch keeps for later tensors of a GPU back to its driver. Nothing on the CPU. Throws
// nothing.
void release_cached_memory(at::Device device);

}  // namespace glm
