// Is there memory for what is asked? Told before anything is read or computed.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>

#include "engine/checkpoint/config.h"
#include "engine/run/cost.h"
#include "engine/run/references.h"
#include "engine/run/settings.h"

namespace glm {

// Throws Error(memory) when the weights can't fit on the device. prior_bytes: of one of the prior's weights on a GPU.
void check_weights_fit(const ModelConfig& c, at::ScalarType dtype, at::Device device, double prior_bytes);

// What a request comes to. keeps_pictures: as CallLoad has it. Throws Error(usage) for too many texts.
CallLoad load_of(const ModelConfig& c, const Request& request, const Settings& settings, bool keeps_pictures);

// Throws Error(memory) when a call can't fit into the computer's memory, of which the kernel would end the process.
// What is kept of earlier references gives way first. A GPU says itself when it has too little.
void check_call_fits(const ModelConfig& c, at::ScalarType dtype, at::Device device, const CallLoad& load,
                     ReferenceStore& store);

}  // namespace glm
