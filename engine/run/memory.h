// Refuses a model or a call that can't fit into memory, before anything is read or computed.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>

#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/config.h"
#include "engine/run/cost.h"
#include "engine/run/precision.h"
#include "engine/run/references.h"
#include "engine/run/settings.h"

namespace glm {

// Returns how many bytes the weights take on the device. Components that the checkpoint has in a quantised format take
// what their files say. Throws Error(model) for such files.
double bytes_of_weights(const CheckpointName& name, const ModelConfig& c, at::ScalarType dtype,
                        const Precision& precision);

// Returns how many bytes a pass of the prior reads for a token. Likewise.
double bytes_of_pass(const CheckpointName& name, const ModelConfig& c, at::ScalarType dtype,
                     const Precision& precision);

// Throws Error(memory) when weights of so many bytes can't fit on the device.
void check_weights_fit(double bytes, at::ScalarType dtype, at::Device device);

// Returns what a request's memory depends on, with all stages. keeps_pictures: as CallLoad says. Throws Error(usage)
// for too many texts.
CallLoad load_of(const ModelConfig& c, const Request& request, const Settings& settings, bool keeps_pictures);

// Throws Error(memory) when a call can't fit into the computer's memory, where the system would kill the process.
// Before it gives up, it drops the store's references to make room. On a GPU it checks nothing: there an allocation
// that fails throws by itself.
void check_call_fits(const ModelConfig& c, at::ScalarType dtype, at::Device device, const CallLoad& load,
                     ReferenceStore& store);

}  // namespace glm
