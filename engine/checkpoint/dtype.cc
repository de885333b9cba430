#include "engine/checkpoint/dtype.h"

#include <utility>
#include <vector>

#include "base/refuse.h"
#include "glm/error.h"

namespace glm {
namespace {

const std::vector<std::pair<std::string, at::ScalarType>>& dtypes() {
  static const std::vector<std::pair<std::string, at::ScalarType>> table = {{"F64", at::kDouble},
                                                                            {"F32", at::kFloat},
                                                                            {"F16", at::kHalf},
                                                                            {"BF16", at::kBFloat16},
                                                                            {"F8_E4M3", at::kFloat8_e4m3fn},
                                                                            {"F8_E5M2", at::kFloat8_e5m2},
                                                                            {"I64", at::kLong},
                                                                            {"I32", at::kInt},
                                                                            {"I16", at::kShort},
                                                                            {"I8", at::kChar},
                                                                            {"U8", at::kByte},
                                                                            {"BOOL", at::kBool}};
  return table;
}

}  // namespace

std::string dtype_name(at::ScalarType dtype) {
  for (const auto& [name, type] : dtypes()) {
    if (type == dtype) return name;
  }
  throw Error(ErrorCode::internal, std::string("safetensors has no name for the type ") + c10::toString(dtype));
}

std::optional<at::ScalarType> dtype_named(const std::string& name) {
  for (const auto& [known, type] : dtypes()) {
    if (known == name) return type;
  }
  return std::nullopt;
}

std::string shape_text(at::IntArrayRef shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

at::ScalarType compute_dtype(const std::string& asked, const std::string& checkpoint) {
  const std::string name = asked == "auto" ? checkpoint : asked;
  if (name == "bfloat16") return at::kBFloat16;
  // A float16 checkpoint is computed in float32, because upstream's VAE overflows in float16.
  if (name == "float32" || (asked == "auto" && name == "float16")) return at::kFloat;
  refuse("dtype", "auto, float32 or bfloat16", name);
}

const char* dtype_option(at::ScalarType dtype) {
  return dtype == at::kFloat ? "float32" : "bfloat16";
}

}  // namespace glm
