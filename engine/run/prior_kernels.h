// Decides how a GPU keeps the prior's weights, and whether our kernels write its tokens.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/config.h"
#include "engine/components/prior_transformer.h"
#include "glm/cancel.h"
#include "glm/kernel_verdicts.h"
#include "kernels/cuda/formats.h"

namespace glm {

// What LoadOptions says about the prior.
struct PriorOptions {
  std::string precision = "bf16";
  std::string kernels = "auto";
  const CancelToken* cancel = nullptr;  // asked while another process checks the kernels
  // How the checkpoint's weights of the prior are quantised already, as Quantisation::text() says; "" if they aren't.
  std::string quantised = {};
};

// Returns how the checkpoint's weights of the prior are quantised, or "". Throws Error(model) as Quantisation::of()
// does.
std::string prior_quantisation(const CheckpointName& checkpoint);

// Returns the format of this name. Throws Error(usage) that lists the names for an unknown one.
cuda::Format format_of(const std::string& precision);

// Returns the formats that the prior's weights get when `asked` is asked for. There may be several, because a weight
// whose columns don't suit `asked` gets another.
std::vector<cuda::Format> formats_used(const PriorConfig& c, cuda::Format asked);

// Returns why our kernels can't be used with weights of all these formats, as the check found, or "". look_ahead: why
// they can't be used with look-ahead.
std::string first_problem(const KernelReport& report, const std::vector<cuda::Format>& formats,
                          bool look_ahead = false);

// Checks the options. Throws Error(usage) if one is unknown, or if two exclude each other, or if one doesn't go with
// the checkpoint's own format. Throws Error(device) if one needs a GPU and there is none.
void check_prior_options(at::ScalarType dtype, at::Device device, const PriorOptions& options);

// Chooses both for a model. warnings: gets a line when kernels that should be used can't be. Throws as
// check_prior_options() does, Error(device) when our kernels are forced and can't be used, and Error(cancelled).
PriorKernels choose_prior_kernels(const PriorConfig& c, at::ScalarType dtype, at::Device device,
                                  const PriorOptions& options, std::vector<std::string>* warnings);

}  // namespace glm
