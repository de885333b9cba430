#include "cli/kernels.h"

#include <cstdio>
#include <string>
#include <vector>

#include "cli/table.h"
#include "cli/terminal.h"
#include "glm/kernel_report.h"
#include "glm/weight_formats.h"

namespace glm::cli {
namespace {

using Row = std::vector<std::string>;

std::string formatted(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

Row row_of(const KernelVerdict& v) {
  const auto time = [&](double ms) { return v.ms > 0 ? formatted("%.4f", ms) : "-"; };
  return {v.kernel.empty() ? "all" : v.kernel,
          v.format.empty() ? "-" : v.format,
          v.shape.empty() ? "-" : v.shape,
          formatted("%.1e", v.error),
          formatted("%.1e", v.allowed),
          time(v.ms),
          time(v.reference_ms),
          v.problem.empty() ? "good" : v.problem};
}

}  // namespace

void run_kernels(const std::string& device, bool check) {
  const KernelReport report = kernel_report(device, check);
  std::vector<Row> rows = {Row{"KERNEL", "WEIGHTS", "SHAPE", "ERROR", "ALLOWED", "MS", "ATEN'S MS", "VERDICT"}};
  for (const KernelVerdict& v : report.verdicts) rows.push_back(row_of(v));
  print(report.card + "; kernels " + report.build + "\n");
  print_table(rows);
  for (const WeightFormat& format : weight_formats()) {
    const std::string problem = report.first_problem(format.name);
    print("prior=" + format.name +
          (problem.empty() ? ": our kernels are used" : ": our kernels are not used: " + problem) + "\n");
  }
}

}  // namespace glm::cli
