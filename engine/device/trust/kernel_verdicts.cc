#include "glm/kernel_verdicts.h"

namespace glm {

std::string KernelReport::first_problem(const std::string& format, bool look_ahead) const {
  bool checked = false;
  for (const KernelVerdict& v : verdicts) {
    if ((!v.format.empty() && v.format != format) || (v.look_ahead && !look_ahead)) continue;
    if (!v.problem.empty()) {
      std::string what = v.kernel;
      for (const std::string& part : {v.format, v.shape}) {
        if (!part.empty()) what += " " + part;
      }
      return what + (what.empty() ? "" : ": ") + v.problem;
    }
    checked = checked || v.format == format;
  }
  return checked ? "" : "they have not been checked with " + format + " weights";
}

}  // namespace glm
