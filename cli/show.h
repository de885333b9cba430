// Pictures in the terminal.
#pragma once

#include "glm/image.h"

namespace glm::cli {

// Shows it on the terminal that standard error is, by the protocol of Kitty, of iTerm2, or sixel, whichever the
// terminal says that it knows; else does nothing.
void show(const Image& image);

}  // namespace glm::cli
