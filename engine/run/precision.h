// Decides in which format the weights of a component are kept, where the checkpoint has them as numbers.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>
#include <vector>

#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/weights.h"
#include "kernels/cuda/formats.h"

namespace glm {

// What LoadOptions::precision says. bf16 leaves a component's weights as the checkpoint has them.
struct Precision {
  cuda::Format prior = cuda::Format::bf16;  // of its layers and its head
  cuda::Format dit = cuda::Format::bf16;    // of attention and MLP of its blocks, not of what modulates them

  // Reads a text such as "prior=int4,dit=int8". It needn't name all components. Throws Error(usage) that lists what may
  // stand there. option: the name that the message has for the text
  static Precision of(const std::string& text, const std::string& option = "precision");
  // Returns the text that names all components.
  std::string text() const;
  // Returns each thing that the text may say of one component: "prior=bf16", "prior=fp8" and so on.
  static std::vector<std::string> choices();
};

// Returns how the weights of one of the checkpoint's folders are quantised, or "". Throws Error(model) as
// Quantisation::of() does.
std::string quantisation_of(const CheckpointName& checkpoint, const char* part);

// Throws Error(usage) where the checkpoint has a component in a quantised format already, or where a format doesn't go
// with the dtype, and Error(device) where a format needs a GPU.
void check_precision(const Precision& precision, const CheckpointName& checkpoint, at::ScalarType dtype,
                     at::Device device);

// Returns the bytes of a weight in a format, with its scales. dtype: of weights that stay as they are
double bytes_in_format(cuda::Format format, at::ScalarType dtype);

// Return the component's weights, of which those that a format is for are handed out in codes. On a GPU the prior packs
// its weights by itself.
Weights prior_in_format(const Weights& weights, cuda::Format format);
Weights dit_in_format(const Weights& weights, cuda::Format format);

}  // namespace glm
