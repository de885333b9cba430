#include "cli/selftest.h"

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "cli/file_names.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/values.h"
#include "glm/error.h"
#include "glm/picture_file.h"
#include "glm/weights.h"

namespace glm::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

const char* name_of(Verdict verdict) {
  return verdict == Verdict::pass ? "pass" : verdict == Verdict::fail ? "fail" : "can't tell";
}

// problem: why the checkpoint doesn't load, or ""
std::string json_of(const SelftestReport& report, const std::string& problem = "") {
  ordered_json object = {{"folder", report.folder.string()}};
  if (!is_utf8(report.folder)) object["folder_base64"] = bytes_of_name(report.folder);
  object["model"] = report.model;
  object["device"] = report.device;
  if (!problem.empty()) object["problem"] = problem;
  object["good"] = report.count(Verdict::fail) == 0 && report.weights_pass();
  object["unchecked"] = report.unchecked;
  object["checks"] = ordered_json::array();
  for (const SelftestCheck& check : report.checks) {
    object["checks"].push_back({{"component", check.component},
                                {"name", check.name},
                                {"verdict", name_of(check.verdict)},
                                {"detail", check.detail}});
  }
  return json_text(object);
}

void print_report(const SelftestReport& report) {
  std::vector<std::vector<std::string>> rows = {{"VERDICT", "COMPONENT", "CHECK"}};
  for (const SelftestCheck& check : report.checks) {
    rows.push_back({name_of(check.verdict), check.component, check.name});
  }
  print_table(rows);
  for (const SelftestCheck& check : report.checks) {
    if (check.verdict != Verdict::pass) {
      print(check.name + ": " + name_of(check.verdict) + ": " + printable(check.detail) + "\n");
    }
  }
  print("nothing was compared that comes out of " + listed(report.unchecked) +
        "; weights verify reads all of their numbers\n");
}

// The first check of this verdict, as a message has it.
std::string first_of(const SelftestReport& report, Verdict verdict) {
  for (const SelftestCheck& check : report.checks) {
    if (check.verdict == verdict) return check.name + ": " + check.detail;
  }
  return "";
}

Image read_reference(const std::string& file) {
  const std::string bytes = read_picture_bytes(file);
  try {
    return decode_picture(as_bytes(bytes));
  } catch (const Error& e) {
    throw Error(e.code(), input_name(file) + ": " + e.what());
  }
}

void check_report(const SelftestReport& report) {
  const int64_t failed = report.count(Verdict::fail);
  const std::string folder = report.folder.string();
  if (failed > 0) {
    throw Error(ErrorCode::model,
                folder + ": " + std::to_string(failed) + " of " + std::to_string(report.checks.size()) +
                    " checks failed: damaged files, or another training of " + report.model +
                    "; weights verify reads the files; the first is " + first_of(report, Verdict::fail));
  }
  if (!report.weights_pass()) {
    throw Error(ErrorCode::io, folder + ": nobody can tell whether these weights compute what upstream computes: " +
                                   first_of(report, Verdict::cant_tell));
  }
}

}  // namespace

void run_selftest(const fs::path& checkpoint, const Values& given) {
  SelftestOptions options;
  if (given.contains("device")) options.device = given.at("device").back();
  if (given.contains("image")) {
    options.picture = read_reference(path_name("--image", given.at("image").back()));
  }
  ProgressBar bar(!given.contains("quiet"));
  SelftestCallbacks callbacks;
  callbacks.cancel = &catch_interrupts();
  callbacks.reading = [&](int64_t done, int64_t total) { bar.update_bytes("reading", done, total); };
  callbacks.tokens = [&](int64_t done, int64_t total) { bar.update(Stage::tokens, done, total); };
  SelftestReport report;
  try {
    report = selftest_weights(checkpoint, options, callbacks);
  } catch (const Error& e) {
    // With --json, the program prints an object even if the checkpoint doesn't load.
    if (!given.contains("json") || e.code() != ErrorCode::model) throw;
    bar.clear();
    print_json(json_of({.folder = checkpoint}, e.what()));
    throw;
  }
  bar.clear();
  release_interrupts();
  given.contains("json") ? print_json(json_of(report)) : print_report(report);
  check_report(report);
}

}  // namespace glm::cli
