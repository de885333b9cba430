#include "engine/run/prior_kernels.h"

#include <algorithm>

#include "base/refuse.h"
#include "base/text.h"
#include "engine/device/trust/kernel_check.h"
#include "engine/run/device_decoder.h"
#include "engine/run/prior_codes.h"
#include "glm/error.h"
#include "kernels/cuda/loader.h"

namespace glm {
namespace {

constexpr const char* kSeeReport =
    "; glm-image kernels shows what was checked, and glm-image kernels --check checks again";

// Returns why our kernels can't write this model's tokens, or "".
std::string problem_of_kernels(const PriorConfig& c, at::ScalarType dtype, const PriorCodes& codes) {
  if (!codes.unread.empty()) return "they don't read " + codes.unread;
  if (dtype != at::kBFloat16) return "they compute in bfloat16, and the model in float32";
  if (!DeviceDecoder::fits(c))
    return "they need at most 16 query heads for each key/value head, heads of at most 128 and sizes within their "
           "limits, and this model has others";
  const cuda::Loaded& loaded = cuda::load_library();
  return loaded.library == nullptr ? loaded.why_not : "";
}

}  // namespace

std::vector<cuda::Format> formats_used(const PriorConfig& c, cuda::Format asked) {
  std::vector<cuda::Format> used;
  for (const int64_t columns : {c.dim, c.heads * c.head_dim, c.inner_dim}) {
    const cuda::Format format = cuda::format_for(asked, columns);
    if (std::find(used.begin(), used.end(), format) == used.end()) used.push_back(format);
  }
  return used;
}

std::string first_problem(const KernelReport& report, const std::vector<cuda::Format>& formats, bool look_ahead) {
  for (const cuda::Format format : formats) {
    if (std::string problem = report.first_problem(cuda::row_of(format).name, look_ahead); !problem.empty()) {
      return problem;
    }
  }
  return "";
}

void check_kernels_option(const std::string& kernels, at::Device device) {
  if (kernels != "auto" && kernels != "off" && kernels != "force") refuse("kernels", "auto, off or force", kernels);
  if (device.is_cpu() && kernels == "force") {
    refuse(ErrorCode::device, "our CUDA kernels", "a GPU", "--device cpu",
           "leave out --kernels force, or take a GPU that glm-image devices lists");
  }
}

PriorKernels choose_prior_kernels(const PriorConfig& c, at::ScalarType dtype, at::Device device,
                                  const PriorOptions& options, std::vector<std::string>* warnings) {
  check_kernels_option(options.kernels, device);
  if (device.is_cpu()) return {};
  const cuda::Format format = options.format;
  const bool quantised = cuda::row_of(format).quantised;
  const std::string& asked = options.kernels;
  const PriorCodes codes = options.folder.empty() ? PriorCodes{} : codes_of_prior(options.folder, c);
  std::string problem = problem_of_kernels(c, dtype, codes);
  if (asked == "force" && !problem.empty()) {
    throw Error(ErrorCode::device, "our CUDA kernels can't be used: " + problem);
  }
  std::string no_look_ahead;
  if (asked == "auto" && problem.empty()) {
    const KernelReport report = known_kernels(device, /*check_again=*/false, options.cancel);
    std::vector<cuda::Format> formats = formats_used(c, format);
    formats.insert(formats.end(), codes.formats.begin(), codes.formats.end());
    const auto found = [&](bool look_ahead) {
      const std::string what = first_problem(report, formats, look_ahead);
      return what.empty() ? what : what + kSeeReport;
    };
    problem = found(/*look_ahead=*/false);
    no_look_ahead = found(/*look_ahead=*/true);
  }
  const bool decode = asked != "off" && problem.empty();
  if (asked == "auto" && !decode && dtype == at::kBFloat16 && DeviceDecoder::fits(c)) {
    warnings->push_back("ATen writes the tokens, several times slower than our CUDA kernels would: " + problem);
  }
  if (!decode) no_look_ahead = problem.empty() ? "our CUDA kernels don't write the tokens" : problem;
  if (!decode && !quantised) return {.packing = {}, .no_look_ahead = no_look_ahead};
  return {.packing = format, .decode = decode, .no_look_ahead = no_look_ahead};
}

}  // namespace glm
