// Refuses a model or a call that can't fit into memory, before anything is read or computed.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>

#include "engine/checkpoint/config.h"
#include "engine/run/cost.h"
#include "engine/run/references.h"
#include "engine/run/settings.h"

namespace glm {

// Throws Error(memory) when the weights can't fit on the device. prior_bytes: bytes of one weight of the prior's layers
// on a GPU.
void check_weights_fit(const ModelConfig& c, at::ScalarType dtype, at::Device device, double prior_bytes);

// Returns what a request's memory depends on, with all stages. keeps_pictures: as CallLoad says. Throws Error(usage)
// for too many texts.
CallLoad load_of(const ModelConfig& c, const Request& request, const Settings& settings, bool keeps_pictures);

// Throws Error(memory) when a call can't fit into the computer's memory, where the system would kill the process.
// Before it gives up, it drops the store's references to make room. On a GPU it checks nothing: there an allocation
// that fails throws by itself.
void check_call_fits(const ModelConfig& c, at::ScalarType dtype, at::Device device, const CallLoad& load,
                     ReferenceStore& store);

}  // namespace glm
