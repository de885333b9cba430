// The formats that weights can be kept in (LoadOptions::precision).
#pragma once

#include <string>
#include <vector>

#include "glm/api.h"

namespace glm {

struct WeightFormat {
  std::string name;        // "bf16", "fp8", …
  double bytes = 0;        // bytes of a weight, without its scales
  bool quantised = false;  // another format than the checkpoint's numbers
};

// Returns the formats that the prior may have on a GPU, the default first.
GLM_API std::vector<WeightFormat> weight_formats();

// Returns each thing that LoadOptions::precision may say of one component: "prior=bf16", "prior=fp8" and so on.
GLM_API std::vector<std::string> precision_choices();

// Returns what a text for LoadOptions::precision says of all components: "prior=int4,dit=bf16". Throws Error(usage) for
// a text that says something else. option: the name that the message has for the text
GLM_API std::string whole_precision(const std::string& text, const std::string& option = "precision");

}  // namespace glm
