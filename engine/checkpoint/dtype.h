// The names of dtypes: those of the safetensors format, and those of the option --dtype.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

namespace glm {

// Returns the format's own name: "F32", "BF16", …. Throws Error(internal) for a dtype that the format lacks.
std::string dtype_name(at::ScalarType dtype);
// Returns the dtype of such a name, or nothing for another text.
std::optional<at::ScalarType> dtype_named(const std::string& name);

// Returns a text such as "[2, 3]", for messages.
std::string shape_text(at::IntArrayRef shape);

// Returns the dtype to compute in. asked: "auto", "float32" or "bfloat16"; stored: the checkpoint's dtype by its name
// in config.json, which "auto" takes (for "float16" it takes fp32). Throws Error(usage) for another name.
at::ScalarType compute_dtype(const std::string& asked, const std::string& stored);

// Returns the name that --dtype has for fp32 or bf16.
const char* dtype_option(at::ScalarType dtype);

}  // namespace glm
