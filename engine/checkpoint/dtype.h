// Types of numbers by their names: those of safetensors, and those of the option --dtype.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

namespace glm {

// "F32", "BF16", …: the format's own names. Throws Error(internal) for a type the format lacks.
std::string dtype_name(at::ScalarType dtype);
// The type of such a name, or nothing.
std::optional<at::ScalarType> dtype_named(const std::string& name);

// "[2, 3]", for messages.
std::string shape_text(at::IntArrayRef shape);

// "auto", "float32" or "bfloat16", where the checkpoint is in `stored`. Throws Error(usage) for another.
at::ScalarType compute_dtype(const std::string& asked, const std::string& stored);

// Its name among these.
const char* dtype_option(at::ScalarType dtype);

}  // namespace glm
