// A request with its defaults filled in and checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/checkpoint/config.h"
#include "engine/run/cost.h"
#include "glm/request.h"

namespace glm {

struct Settings {
  int64_t width, height, steps;
  double guidance, temperature, top_p;
  int64_t top_k;
  Geometry geometry;  // of the rendered picture: whole tokens, which are cropped to width and height at the end
  Grid grid() const { return geometry.tokens; }
  Canvas canvas() const { return {geometry, guidance > 1 ? 2 : 1}; }
};

// Fills in what the request leaves to the checkpoint. Throws Error(usage) for a request that can't be met.
Settings settle(const Request& request, const ModelConfig& config);

// Returns the same as the public type.
Details details_of(const Settings& settings, const ModelConfig& config);

// Returns the texts to be drawn: the request's own, else those in quotes. Throws Error(usage) for too many,
// and for an empty one of the request's own.
std::vector<std::string> quoted_texts(const Request& request);

}  // namespace glm
