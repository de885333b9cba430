// A request with its defaults filled in and checked.
#pragma once

#include <cstdint>
#include <string>

#include "engine/pipeline.h"
#include "tokenizer/prompt_layout.h"

namespace glm {

struct Settings {
  int64_t width, height, steps;
  double guidance;
  int64_t rendered_width() const;  // the next multiple of 32
  int64_t rendered_height() const;
  Grid grid() const;
};

// Throws Error(usage) for what can't be met.
Settings settle(const Request& request, const PictureDefaults& defaults);

// Error(usage): "what: expected …, found …"
[[noreturn]] void refuse(const std::string& what, const std::string& expected, const std::string& found);

}  // namespace glm
