// Checks our CUDA kernels against ATen on the GPU where they are to run: that they compute the same, the same bits each
// time, and no slower. In under three seconds, and with less than 1.5 GB of its memory.
#pragma once

#include <c10/core/Device.h>

#include <functional>

#include "engine/device/trust/kernel_trials.h"
#include "glm/cancel.h"
#include "glm/kernel_verdicts.h"

namespace glm {

// Queues calls as cuda::Library::run does, on the device's current stream; null, or what went wrong.
using LaunchCalls = std::function<const char*(const std::vector<cuda::Call>& calls)>;

// Runs a trial twice. Throws c10::Error when the device fails.
KernelVerdict judge_trial(const KernelTrial& trial, at::Device device, const LaunchCalls& launch);

// Verdicts of the same kernel, format and shape become one. A kernel whose shapes take longer than ATen's, all in all,
// gets a problem at the shape where it is worst.
std::vector<KernelVerdict> merged(const std::vector<KernelVerdict>& verdicts);

// The GPU is open and our library loaded. begin: told what is checked next. Throws Error(device) when a kernel faults:
// nothing on this GPU works any more in this process. Error(memory) when the GPU has too little left.
KernelReport check_kernels(
    at::Device device, const std::function<void(const std::string&)>& begin = [](const std::string&) {});

// What the cache knows, else check_kernels; with check_again always the latter. cancel: asked while another process's
// check is waited for. Throws Error(device) when a kernel faults, Error(cancelled).
KernelReport known_kernels(at::Device device, bool check_again, const CancelToken* cancel = nullptr);

}  // namespace glm
