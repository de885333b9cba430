// `glm-image devices`: which devices this machine can compute on, and which one `generate` takes.
#pragma once

namespace glm::cli {

// Throws glm::Error.
void run_devices();

}  // namespace glm::cli
