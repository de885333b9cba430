// `glm-image devices`: what this machine has to compute on, and which one `generate` takes.
#pragma once

namespace glm::cli {

// Throws glm::Error.
void run_devices();

}  // namespace glm::cli
