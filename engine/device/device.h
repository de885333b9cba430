// The devices that tensors live on. Nothing in engine/ is linked with CUDA: LibTorch's CUDA library is loaded when a
// GPU is asked for, and from then on ATen's functions take tensors on it.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "engine/device/cuda_driver.h"

namespace glm {

// Returns why this GPU can't be used, or nothing. Loads LibTorch's CUDA library.
std::string problem_of(const CudaDevice& device);

// Throws Error(internal) when this process has another LibTorch than the one that this library was built for. Call it
// after open_device(): it asks whether CUDA is there.
void check_libtorch();

// Opens a device by its name: "cpu", "cuda" (the first GPU that can be used), "cuda:N", or "auto" (the same, else the
// CPU). From then on a GPU computes with IEEE fp32 (no TF32), fp32 sums of bf16 products and deterministic
// convolutions. Writes to `note` why it passed over a GPU, or what the driver's error is. Throws Error(usage) for
// another name, and Error(device) for a GPU that isn't there or can't be used.
//
// LibTorch asks only once in a process whether CUDA is there, when something is computed for the first time. So on a
// machine with a GPU, "cpu" loads the CUDA library, too (0.2 s). Then a GPU may be opened later.
at::Device open_device(const std::string& name, std::string* note = nullptr);

// Returns what the device calls itself, such as "NVIDIA H100 80GB HBM3".
std::string product_of(at::Device device);

// Returns the bytes of memory that the device has in all.
int64_t memory_of(at::Device device);

// Returns the bytes of it that are free now. On the CPU, those that the machine can make free count, too. On a GPU,
// those that LibTorch keeps for later tensors don't. -1: unknown, as free_memory() says.
int64_t free_memory_of(at::Device device);

// Returns the most bytes of it that this process has had so far. On a GPU only what LibTorch took counts.
int64_t peak_memory_of(at::Device device);

// Waits until the device has done all that it was told. Does nothing on the CPU. Throws c10::Error when the GPU failed.
void synchronize(at::Device device);

// Gives the memory of a GPU that LibTorch keeps for later tensors back to the driver. Does nothing on the CPU. Throws
// nothing.
void release_cached_memory(at::Device device);

}  // namespace glm
