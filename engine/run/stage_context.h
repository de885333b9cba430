// What the stages of a call share, and what each knows of a picture.
#pragma once

#include <cstdint>

#include "engine/components/layers/tap.h"
#include "engine/run/injection.h"
#include "engine/run/model.h"
#include "engine/run/progress.h"
#include "engine/run/settings.h"
#include "glm/request.h"

namespace glm {

struct StageContext {
  const Model& model;
  const Request& request;
  const Settings& settings;
  Tap tap;
  Progress& progress;
};

// One picture of a call.
struct PictureJob {
  size_t index = 0;  // among the request's seeds
  uint64_t seed = 0;
  Injection injected;  // what is injected for this picture
};

}  // namespace glm
