// Decides how a GPU keeps the prior's weights, and whether our kernels write its tokens.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/components/prior_transformer.h"
#include "glm/cancel.h"
#include "glm/kernel_verdicts.h"
#include "kernels/cuda/formats.h"

namespace glm {

// What LoadOptions says about the prior.
struct PriorOptions {
  cuda::Format format = cuda::Format::bf16;  // of Precision
  std::string kernels = "auto";
  const CancelToken* cancel = nullptr;  // asked while another process checks the kernels
  // The checkpoint's folder of the prior, whose weights may be codes. Empty: the weights are random.
  std::filesystem::path folder = {};
};

// Returns the formats that the prior's weights get when `asked` is asked for. There may be several, because a weight
// whose columns don't suit `asked` gets another.
std::vector<cuda::Format> formats_used(const PriorConfig& c, cuda::Format asked);

// Returns why our kernels can't be used with weights of all these formats, as the check found, or "". look_ahead: why
// they can't be used with look-ahead.
std::string first_problem(const KernelReport& report, const std::vector<cuda::Format>& formats,
                          bool look_ahead = false);

// Checks LoadOptions::kernels. Throws Error(usage) for an unknown word, and Error(device) if it needs a GPU and there
// is none.
void check_kernels_option(const std::string& kernels, at::Device device);

// Chooses both for a model. warnings: gets a line when kernels that should be used can't be used. Throws what
// check_kernels_option() and codes_of_prior() throw. Throws Error(device) when our kernels are forced and can't be
// used, and Error(cancelled) when the call is cancelled.
PriorKernels choose_prior_kernels(const PriorConfig& c, at::ScalarType dtype, at::Device device,
                                  const PriorOptions& options, std::vector<std::string>* warnings);

}  // namespace glm
