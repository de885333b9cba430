#include "cli/bench.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/interrupt.h"
#include "cli/model.h"
#include "cli/report.h"
#include "cli/sources.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "glm/bench.h"

namespace glm::cli {
namespace {

using Row = std::vector<std::string>;

constexpr double kBudget = 3;  // seconds for each stage
constexpr const char* kPrompt = "a shop window with a sign that says \"OPEN\"";

std::string number(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Says what a stage does in a second: in TFLOP/s or GB/s, and as a part of the device's limit.
Row row_of(const BenchReport& report, const BenchStage& s) {
  Row row = {s.name,
             s.samples > 0 ? number("%.4g", s.seconds) + " s a " + s.unit : "not measured",
             std::to_string(s.samples),
             s.samples > 0 ? number("%.4g", 1 / s.seconds) : "-",
             "-",
             "-"};
  if (s.operations > 0) {
    row[4] = number("%.3g", s.operations / 1e12) + " TFLOP/s";
    row[5] = number("%.0f", 100 * s.operations / report.operations) + " %";
  } else if (s.bytes > 0) {
    row[4] = number("%.3g", s.bytes / 1e9) + " GB/s";
    row[5] = s.name == "load" ? "-" : number("%.0f", 100 * s.bytes / report.bytes) + " %";
  }
  return row;
}

void print_table_of(const BenchReport& report) {
  const Details& d = report.details;
  print(report.device + ": " + report.product +
        (report.device == "cpu" ? ", " + std::to_string(report.threads) + " threads" : "") + "; " + report.dtype +
        ", " + report.precision + "\n");
  print("a picture of " + std::to_string(d.width) + "x" + std::to_string(d.height) + ", " + std::to_string(d.steps) +
        " steps, guidance " + number("%g", d.guidance) + "\n");
  std::vector<Row> rows = {{"STAGE", "MEDIAN", "SAMPLES", "A SECOND", "RATE", "OF THE LIMIT"}};
  for (const BenchStage& stage : report.stages) rows.push_back(row_of(report, stage));
  print_table(rows);
  print("limits measured here: " + number("%.3g", report.operations / 1e12) + " TFLOP/s in a large product, " +
        number("%.3g", report.bytes / 1e9) + " GB/s read\n");
  print("a picture takes about " + duration_text(report.seconds) + " without loading; peak memory " +
        number("%.3g", static_cast<double>(report.peak_bytes) / 1e9) + " GB\n");
}

std::string json_of(const BenchReport& report) {
  nlohmann::json stages = nlohmann::json::array();
  for (const BenchStage& s : report.stages) {
    nlohmann::json stage = {{"name", s.name}, {"samples", s.samples}, {"unit", s.unit}};
    if (s.samples > 0) stage.update({{"seconds", s.seconds}, {"per_second", 1 / s.seconds}});
    if (s.operations > 0) {
      stage.update({{"flops", s.operations}, {"share_of_limit", s.operations / report.operations}});
    }
    if (s.bytes > 0) stage["bytes_per_second"] = s.bytes;
    if (s.bytes > 0 && s.name != "load") stage["share_of_limit"] = s.bytes / report.bytes;
    stages.push_back(stage);
  }
  const Details& d = report.details;
  const nlohmann::json all = {{"device", report.device},
                              {"product", report.product},
                              {"dtype", report.dtype},
                              {"precision", report.precision},
                              {"threads", report.threads},
                              {"width", d.width},
                              {"height", d.height},
                              {"steps", d.steps},
                              {"guidance", d.guidance},
                              {"stages", stages},
                              {"limits", {{"flops", report.operations}, {"bytes_per_second", report.bytes}}},
                              {"seconds", report.seconds},
                              {"peak_bytes", report.peak_bytes}};
  return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void run_bench(const Values& given) {
  const Command& command = command_of("bench");
  const GenerateOptions o = merged(command, sources_of(command, given));
  const CancelToken& cancel = catch_interrupts();
  Request request;
  request.prompt = kPrompt;
  request.width = o.width;
  request.height = o.height;
  request.aspect = o.aspect;
  request.steps = o.steps;
  request.guidance = o.guidance;
  const auto begin = [&](const std::string& what) {
    if (!o.quiet) tell("measuring " + what + " ...\n");
  };
  const BenchReport report = bench(model_of(o.model), load_options(o, cancel), request, kBudget, begin);
  release_interrupts();
  o.json ? print_json(json_of(report)) : print_table_of(report);
}

}  // namespace glm::cli
