// How the prior keeps its weights on a GPU, and whether our kernels decode it.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/components/prior_transformer.h"
#include "glm/cancel.h"
#include "glm/kernel_verdicts.h"
#include "kernels/cuda/formats.h"

namespace glm {

// As LoadOptions has them.
struct PriorOptions {
  std::string precision = "bf16";
  std::string kernels = "auto";
  const CancelToken* cancel = nullptr;  // asked while another process checks the kernels
};

// The format of this name. Throws Error(usage) that lists the names for another.
cuda::Format format_of(const std::string& precision);

// The formats that the prior's weights get where `asked` is asked for: a weight whose columns it can't take gets
// another.
std::vector<cuda::Format> formats_used(const PriorConfig& c, cuda::Format asked);

// Why our kernels can't be used for weights of all these formats, as a check has shown, or nothing.
std::string first_problem(const KernelReport& report, const std::vector<cuda::Format>& formats);

// Throws Error(usage) for unknown options and for those that exclude each other, Error(device) for those that need a
// GPU where there is none.
void check_prior_options(at::ScalarType dtype, at::Device device, const PriorOptions& options);

// warnings: gets a line where kernels that should be used can't be. Throws as check_prior_options(), and
// Error(device) where our kernels are asked for and can't be had.
PriorKernels choose_prior_kernels(const PriorConfig& c, at::ScalarType dtype, at::Device device,
                                  const PriorOptions& options, std::vector<std::string>* warnings);

}  // namespace glm
