#include "cli/weights.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "cli/file_names.h"
#include "cli/interrupt.h"
#include "cli/model.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/selftest.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/values.h"
#include "glm/weights.h"

namespace glm::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Row = std::vector<std::string>;

// "12.5 M" for numbers of a model, "1.20 GB" for bytes.
std::string scaled(double value, const std::vector<std::string>& units) {
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < units.size(); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f" : value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
  return std::string(text) + (units[unit].empty() ? "" : " " + units[unit]);
}
std::string bytes_text(int64_t bytes) {
  return scaled(static_cast<double>(bytes), {"B", "KB", "MB", "GB", "TB"});
}
std::string parameters_text(int64_t parameters) {
  return scaled(static_cast<double>(parameters), {"", "K", "M", "B", "T"});
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

// "BF16 102, F32 6": how many tensors are of each type.
std::string types_text(const StoredComponent& component) {
  std::map<std::string, int64_t> counts;
  for (const StoredTensor& tensor : component.tensors) ++counts[tensor.dtype];
  std::string text;
  for (const auto& [dtype, count] : counts) text += (text.empty() ? "" : ", ") + dtype + " " + std::to_string(count);
  return text.empty() ? "-" : text;
}

std::string name_of(const StoredComponent& component) {
  return component.name.empty() ? "of no known component" : component.name;
}

constexpr size_t kMostPrinted = 5;  // of a list

// Prints "transformer: 2 tensors are missing: …; advice" where there are any.
void print_names(const StoredComponent& component, const std::vector<std::string>& names, const std::string& one,
                 const std::string& many, const std::string& advice) {
  if (names.empty()) return;
  std::string line = name_of(component) + ": " + std::to_string(names.size()) +
                     (names.size() == 1 ? " tensor " + one : " tensors " + many) + ": ";
  for (size_t i = 0; i < names.size() && i < kMostPrinted; ++i)
    line += (i > 0 ? ", \"" : "\"") + shortened(names[i], 200) + "\"";
  print(printable(line) + (names.size() > kMostPrinted ? ", … (--json has all); " : "; ") + advice + "\n");
}

void print_findings(const StoredComponent& c) {
  constexpr const char* fits = "does config.json belong to this file?";
  constexpr const char* again = "download the file again";
  for (const std::string& problem : c.problems) print(printable(problem) + "\n");
  if (c.tensors.empty() && !c.problems.empty()) return;  // everything is missing, and that has been said
  print_names(c, c.missing, "is missing", "are missing", "is the checkpoint complete? Download it again");
  print_names(c, c.misshapen, "has another shape than config.json says", "have other shapes than config.json says",
              fits);
  print_names(c, c.mistyped, "is of a type that this program doesn't read there",
              "are of types that this program doesn't read there", "take a checkpoint in bf16, fp32 or fp16");
  for (size_t i = 0; i < c.contradictions.size() && i < kMostPrinted; ++i) print(printable(c.contradictions[i]) + "\n");
  if (c.contradictions.size() > kMostPrinted) {
    print(name_of(c) + ": so it is with " + std::to_string(c.contradictions.size() - kMostPrinted) +
          " more (--json has all)\n");
  }
  print_names(c, c.unclaimed, "is one that this model doesn't use", "are ones that this model doesn't use", fits);
  print_names(c, c.not_finite, "has numbers that are infinite or NaN", "have numbers that are infinite or NaN",
              std::string(again) + ", or take another: a training that failed leaves them, too");
  print_names(c, c.zeros, "holds nothing but zeros, as an interrupted download leaves them",
              "hold nothing but zeros, as an interrupted download leaves them", again);
}

void print_tensors(const StoredComponent& component) {
  std::vector<Row> rows = {{"TENSOR", "TYPE", "SHAPE", "BYTES"}};
  for (const StoredTensor& tensor : component.tensors) {
    rows.push_back(
        {printable(tensor.name), tensor.dtype, shape_text(tensor.shape), bytes_text(tensor.end - tensor.begin)});
  }
  print_table(rows);
}

void print_report(const WeightsReport& report) {
  print(printable(report.path.string()) + ": " + report.kind +
        (report.advice.empty() ? "\n" : "; " + report.advice + "\n"));
  std::error_code none;
  if (!fs::is_directory(report.path, none)) {
    for (const StoredComponent& component : report.components) print_tensors(component);
  }
  std::vector<Row> rows = {{"COMPONENT", "FORMAT", "TENSORS", "PARAMETERS", "BYTES", "TYPES"}};
  int64_t tensors = 0, parameters = 0, bytes = 0;
  for (const StoredComponent& c : report.components) {
    const auto count = static_cast<int64_t>(c.tensors.size());
    rows.push_back({name_of(c), c.format.empty() ? "-" : printable(c.format), std::to_string(count),
                    parameters_text(c.parameters), bytes_text(c.bytes), types_text(c)});
    tensors += count;
    parameters += c.parameters;
    bytes += c.bytes;
  }
  rows.push_back({"total", "", std::to_string(tensors), parameters_text(parameters), bytes_text(bytes), ""});
  print_table(rows);
  for (const std::string& problem : report.problems) print(printable(problem) + "\n");
  if (!report.components.empty() && !report.components[0].unknown.empty()) {
    print("which tensors are missing or too many isn't known, because " + report.components[0].unknown + "\n");
  }
  for (const StoredComponent& component : report.components) print_findings(component);
}

void add_name(ordered_json& object, const char* key, const fs::path& file) {
  object[key] = file.string();
  if (!is_utf8(file)) object[std::string(key) + "_base64"] = bytes_of_name(file);
}

ordered_json json_of(const StoredComponent& c) {
  ordered_json tensors = ordered_json::array();
  for (const StoredTensor& tensor : c.tensors) {
    ordered_json one = {{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}};
    add_name(one, "file", tensor.file);
    one.update(
        {{"begin", tensor.begin}, {"end", tensor.end}, {"zeros", tensor.zeros}, {"not_finite", tensor.not_finite}});
    tensors.push_back(std::move(one));
  }
  ordered_json object = {{"name", c.name},
                         {"format", c.format},
                         {"parameters", c.parameters},
                         {"bytes", c.bytes},
                         {"missing", c.missing},
                         {"misshapen", c.misshapen},
                         {"mistyped", c.mistyped},
                         {"contradictions", c.contradictions},
                         {"unclaimed", c.unclaimed},
                         {"not_finite", c.not_finite},
                         {"zeros", c.zeros},
                         {"problems", c.problems}};
  if (!c.unknown.empty()) object["unknown"] = c.unknown;
  object["tensors"] = std::move(tensors);
  return object;
}

std::string json_of(const WeightsReport& report) {
  ordered_json object = ordered_json::object();
  add_name(object, "path", report.path);
  object["kind"] = report.kind;
  if (!report.advice.empty()) object["advice"] = report.advice;
  object["good"] = report.count_problems() == 0;
  object["problems"] = report.problems;
  object["components"] = ordered_json::array();
  for (const StoredComponent& component : report.components) object["components"].push_back(json_of(component));
  return json_text(object);
}

// Tells how fast files are read or written, while they are and at the end.
class Reading {
 public:
  explicit Reading(bool loud, const std::string& what = "reading") : loud_(loud), bar_(loud) {
    callbacks_.cancel = &catch_interrupts();
    callbacks_.progress = [this, what](int64_t done, int64_t total) { bar_.update_bytes(what, done, total); };
  }
  const ReadingCallbacks& callbacks() const { return callbacks_; }
  void finish() {
    bar_.clear();
    release_interrupts();
  }
  void tell_speed(int64_t bytes, double seconds) const {
    if (!loud_ || bytes == 0) return;
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", seconds);
    tell("read " + bytes_text(bytes) + " in " + text + " s, " +
         gigabytes_text(seconds > 0 ? static_cast<double>(bytes) / seconds : 0) + "/s\n");
  }

 private:
  bool loud_;
  ProgressBar bar_;
  ReadingCallbacks callbacks_;
};

void run_inspect(const fs::path& path, const Values& given) {
  Reading reading(!given.contains("quiet"));
  const WeightsReport report = inspect_weights(path, reading.callbacks());
  reading.finish();
  given.contains("json") ? print_json(json_of(report)) : print_report(report);
  const int64_t problems = report.count_problems();
  if (problems == 0) return;
  throw Error(ErrorCode::model, report.path.string() + ": " + std::to_string(problems) +
                                    (problems == 1 ? " thing is" : " things are") +
                                    " wrong with these weights; the list says what to do, or download them again");
}

// Returns what is wrong with a file: "transformer/model.safetensors: tensor "a", bytes 10 to 20: …"
std::string problem_text(const VerifiedFile& file) {
  std::string text = file.file.string() + ": ";
  if (!file.tensor.empty()) text += "tensor \"" + shortened(file.tensor, 200) + "\"";
  if (!file.tensor.empty()) text += file.end > file.begin ? ", " : ": ";
  if (file.end > file.begin) text += "bytes " + std::to_string(file.begin) + " to " + std::to_string(file.end) + ": ";
  return text + file.problem;
}

std::string json_of(const VerifyReport& report) {
  ordered_json object = ordered_json::object();
  add_name(object, "folder", report.folder);
  if (!report.manifest.empty()) add_name(object, "manifest", report.manifest);
  object["good"] = report.count_problems() == 0;
  object["bytes"] = report.bytes;
  object["seconds"] = report.seconds;
  object["warnings"] = report.warnings;
  object["files"] = ordered_json::array();
  for (const VerifiedFile& file : report.files) {
    ordered_json one = ordered_json::object();
    add_name(one, "file", file.file);
    one.update({{"bytes", file.bytes}, {"tensors", file.tensors}});
    if (!file.sha256.empty()) one["sha256"] = file.sha256;
    if (!file.compared.empty()) one["compared"] = file.compared;
    if (!file.problem.empty()) one["problem"] = file.problem;
    if (!file.tensor.empty()) one["tensor"] = file.tensor;
    if (file.end > file.begin) one.update({{"begin", file.begin}, {"end", file.end}});
    object["files"].push_back(std::move(one));
  }
  return json_text(object);
}

// Says whether anything of the file was checked. Files of weights and JSON always are. Another file is checked only
// where there is a sum to compare it with.
bool is_checked(const VerifiedFile& file) {
  return file.tensors > 0 || !file.compared.empty() || file.file.extension() == ".json";
}

void print_report(const VerifyReport& report) {
  std::vector<Row> rows = {{"FILE", "BYTES", "TENSORS", "COMPARED WITH", "VERDICT"}};
  bool compared = false;
  for (const VerifiedFile& file : report.files) {
    compared = compared || !file.compared.empty();
    rows.push_back({printable(file.file.string()), bytes_text(file.bytes),
                    file.tensors > 0 ? std::to_string(file.tensors) : "-", file.compared.empty() ? "-" : file.compared,
                    !file.problem.empty() ? "bad"
                    : is_checked(file)    ? "good"
                                          : "not looked at"});
  }
  print_table(rows);
  for (const VerifiedFile& file : report.files) {
    if (!file.problem.empty()) print(printable(problem_text(file)) + "\n");
  }
  if (!compared && report.manifest.empty()) {
    print(
        "no sums to compare with: this is no Hugging Face cache, and there is no SHA256SUMS; --write-manifest writes "
        "one\n");
  }
}

[[noreturn]] void refuse_damaged(const VerifyReport& report) {
  const int64_t problems = report.count_problems();
  std::string first;
  for (const VerifiedFile& file : report.files) {
    if (first.empty() && !file.problem.empty()) first = problem_text(file);
  }
  throw Error(ErrorCode::model, report.folder.string() + ": " + std::to_string(problems) + " of " +
                                    std::to_string(report.files.size()) + " files " +
                                    (problems == 1 ? "isn't" : "aren't") + " good; the first is " + first);
}

void run_verify(const fs::path& folder, const Values& given, const std::string& target) {
  VerifyOptions options{.hash_all = given.contains("write-manifest")};
  if (given.contains("manifest")) options.manifest = path_name("--manifest", given.at("manifest").back());
  const fs::path file = target.empty() ? default_manifest(folder) : fs::path(path_name("FILE", target));
  if (options.hash_all) {  // before minutes of reading
    std::error_code none;
    check_place(file);
    if (fs::is_regular_file(file, none)) {
      throw Error(ErrorCode::io,
                  file.string() + ": exists already; name another FILE behind the folder, or remove it first");
    }
  }
  Reading reading(!given.contains("quiet"));
  const VerifyReport report = verify_weights(folder, options, reading.callbacks());
  reading.finish();
  print_warnings(report.warnings);
  // Before the report, whose reader may have gone.
  if (options.hash_all && report.count_problems() == 0) write_manifest(report, file);
  given.contains("json") ? print_json(json_of(report)) : print_report(report);
  reading.tell_speed(report.bytes, report.seconds);
  if (report.count_problems() > 0) refuse_damaged(report);
}

// Writes random weights and prints the folder.
void run_random(const fs::path& config, const Values& given) {
  if (!given.contains("to")) refuse("weights random", "--to with a new folder", "none");
  const fs::path to = path_name("--to", given.at("to").back());
  RandomWeightsOptions options;
  if (given.contains("dtype"))
    options.dtype = one_of("--dtype", given.at("dtype").back(), {"auto", "float32", "bfloat16"});
  if (given.contains("format")) {
    options.format = one_of("--format", given.at("format").back(), {"autoround", "sdnq"});
  }
  Reading writing(!given.contains("quiet"), "writing");
  write_random_weights(config, to, options, writing.callbacks());
  writing.finish();
  print(to.string() + "\n");
}

// Refuses options that belong to another action.
void check_options(const std::string& action, const Values& given) {
  const std::map<std::string, std::vector<std::string>> actions = {
      {"manifest", {"verify"}}, {"write-manifest", {"verify"}}, {"to", {"random"}},
      {"dtype", {"random"}},    {"format", {"random"}},         {"json", {"inspect", "verify", "selftest"}},
      {"image", {"selftest"}},  {"device", {"selftest"}}};
  for (const auto& entry : given) {
    const auto known = actions.find(entry.first);
    if (known == actions.end() || std::find(known->second.begin(), known->second.end(), action) != known->second.end())
      continue;
    refuse("--" + entry.first, "weights " + listed(known->second), "weights " + action);
  }
}

}  // namespace

void run_weights(const std::vector<std::string>& arguments, const Values& given) {
  const std::string action = one_of("weights", arguments.at(0), {"inspect", "verify", "selftest", "random"});
  check_options(action, given);
  const std::string target = arguments.size() > 2 ? arguments[2] : "";
  if (!target.empty() && !given.contains("write-manifest")) {
    refuse(ErrorCode::usage, "weights " + action, "one DIR", "also \"" + shortened(target, 60) + "\"",
           "a FILE goes with verify --write-manifest");
  }
  if (action == "random") return run_random(model_of(model_path("DIR", arguments.at(1))), given);
  if (action == "selftest") return run_selftest(model_of(model_path("DIR", arguments.at(1))), given);
  const fs::path path = path_name("DIR", arguments.at(1));
  action == "inspect" ? run_inspect(path, given) : run_verify(path, given, target);
}

}  // namespace glm::cli
