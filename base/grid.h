// A picture as the prior sees it: a grid of tokens.
#pragma once

#include <cstdint>

namespace glm {

// Both sides are at least 1, or both are 0: then there is no grid.
struct Grid {
  int64_t height;
  int64_t width;
  int64_t cells() const { return height * width; }
};

// How many of a prompt's ids a reference takes: its tokens, with a begin before them and an end after them.
inline int64_t reference_length(Grid source) {
  return source.cells() + 2;
}

}  // namespace glm
