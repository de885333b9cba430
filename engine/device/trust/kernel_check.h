// Checks our CUDA kernels against ATen on the GPU where they are to run: they must compute the same, give the same bits
// each time, and be no slower. A check takes less than three seconds and less than 1.5 GB of the GPU's memory.
#pragma once

#include <c10/core/Device.h>

#include <functional>

#include "engine/device/trust/kernel_trials.h"
#include "glm/cancel.h"
#include "glm/kernel_verdicts.h"

namespace glm {

// Queues calls on the device's current stream as cuda::Library::run does. Returns null, or what went wrong.
using LaunchCalls = std::function<const char*(const std::vector<cuda::Call>& calls)>;

// Runs a trial's call and judges the result, runs it again to compare the bits, and measures it where the trial asks
// for that. Throws c10::Error when the device fails.
KernelVerdict judge_trial(const KernelTrial& trial, at::Device device, const LaunchCalls& launch);

// Joins the verdicts on the same kernel, format and shape. When all shapes of a kernel and format together take longer
// than ATen's, the shape where it is worst gets a problem.
std::vector<KernelVerdict> merged(const std::vector<KernelVerdict>& verdicts);

// Checks all kernels. The GPU must be open and our library loaded. begin: is told what is checked next. Throws
// Error(device) when a kernel faults, and then nothing on this GPU works any more in this process; Error(memory) when
// the GPU has too little memory left; Error(internal) when LibTorch fails otherwise.
KernelReport check_kernels(
    at::Device device, const std::function<void(const std::string&)>& begin = [](const std::string&) {});

// Returns the report that the cache has, or else that of check_kernels(), which is always called with check_again. A
// check that couldn't be made gives a report with that problem. cancel: is asked while another process's check is
// waited for. Throws Error(device) when a kernel faults, and Error(cancelled).
KernelReport known_kernels(at::Device device, bool check_again, const CancelToken* cancel = nullptr);

}  // namespace glm
