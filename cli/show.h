// Pictures in the terminal.
#pragma once

#include "glm/image.h"

namespace glm::cli {

// Shows a picture on standard error where that is a terminal that knows Kitty's protocol, iTerm2's, or sixel. Does
// nothing on any other.
void show(const Image& image);

}  // namespace glm::cli
