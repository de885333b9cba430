// Compares what a checkpoint computes with what upstream's Python computes with the same model.
#pragma once

#include <c10/core/Device.h>

#include "engine/call_queue.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/known_models.h"
#include "glm/weights.h"

namespace glm {

// Does what selftest_weights() says, on the thread of `queue`. known: what upstream computes; null: nobody knows.
SelftestReport run_selftest(const CheckpointName& name, const KnownModel* known, const SelftestOptions& options,
                            const SelftestCallbacks& callbacks, at::Device device, CallQueue& queue);

}  // namespace glm
