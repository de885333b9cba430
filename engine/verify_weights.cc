#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <system_error>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/boundary.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/component_files.h"
#include "engine/checkpoint/file_scan.h"
#include "engine/checkpoint/manifest.h"
#include "engine/checkpoint/stored_tensors.h"
#include "engine/run/checked_files.h"
#include "glm/error.h"
#include "glm/weights.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr const char* kManifest = "SHA256SUMS";
constexpr const char* kAgain = "; download it again";

// A file while it is verified.
struct Candidate {
  VerifiedFile file;
  fs::path path;
  std::string blob;    // the name of its bytes in a cache, or ""
  std::string listed;  // its SHA-256 in the manifest, or ""
  std::unique_ptr<SafetensorsFile> weights;
  std::map<std::string, ScannedTensor> seen;  // what reading its tensors has shown
};

// Returns all files of a folder and of its folders, by name: not those whose names begin with a dot, in which tools
// keep their own things. Links are followed.
std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failed;
  fs::recursive_directory_iterator at(folder, fs::directory_options::follow_directory_symlink, failed);
  for (; !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
    const fs::path& path = at->path();
    std::error_code none;
    const bool is_folder = fs::is_directory(path, none);
    const bool named_as_file = path.extension() == ".safetensors" || path.extension() == ".json";
    const bool hidden = path.filename().string().starts_with('.');
    if (!hidden && (!is_folder || named_as_file)) files.push_back(path.lexically_relative(folder));
    if (hidden || named_as_file || at.depth() > 3) at.disable_recursion_pending();
  }
  if (failed) {
    throw Error(ErrorCode::model,
                folder.string() + ": can't be listed (" + failed.message() + "); check the folders' permissions");
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A problem without the names of its file and its tensor.
struct Told {
  std::string tensor;  // or ""
  std::string text;
};

// Takes the names out of what SafetensorsFile, read_json() and the loader say of a file.
Told told_of(const fs::path& file, const std::string& said) {
  const std::string begin = file.string() + ": ";
  Told told{.tensor = "", .text = said.starts_with(begin) ? said.substr(begin.size()) : said};
  const std::string of_tensor = "tensor \"";
  const size_t end = told.text.starts_with(of_tensor) ? told.text.find('"', of_tensor.size()) : std::string::npos;
  if (end == std::string::npos) return told;
  told.tensor = told.text.substr(of_tensor.size(), end - of_tensor.size());
  told.text.erase(0, std::min(told.text.find_first_not_of(": ", end + 1), told.text.size()));
  return told;
}

// Finds out what there is to a file before its bytes are read.
Candidate candidate_of(const fs::path& folder, const fs::path& name) {
  Candidate c;
  c.file.file = name;
  c.path = folder / name;
  std::error_code none;
  if (!fs::is_regular_file(c.path, none)) {
    c.file.problem = fs::is_directory(c.path, none) ? "expected a file, found a folder"
                     : fs::is_symlink(c.path, none) ? "expected a file, found a link that leads nowhere"
                                                    : "expected a file, found something else";
    c.file.problem += kAgain;
    return c;
  }
  c.file.bytes = static_cast<int64_t>(fs::file_size(c.path, none));
  c.blob = blob_name(c.path);
  try {
    if (name.extension() == ".json") {
      read_json(c.path);
      return c;
    }
    if (name.extension() != ".safetensors") {
      if (!std::ifstream(c.path)) c.file.problem = "can't be read; check its permissions";
      return c;
    }
    c.weights = std::make_unique<SafetensorsFile>(c.path);
    c.file.tensors = static_cast<int64_t>(c.weights->tensors().size());
  } catch (const Error& e) {
    const Told told = told_of(c.path, e.what());
    c.file.tensor = told.tensor;
    c.file.problem = told.text;
  }
  return c;
}

void set_problem(VerifiedFile& file, const std::string& problem, const std::string& tensor, int64_t begin,
                 int64_t end) {
  if (!file.problem.empty()) return;
  file.problem = problem;
  file.tensor = tensor;
  file.begin = begin;
  file.end = end;
}

// Names the first tensor, in the file's order, that has numbers which aren't finite.
void judge_numbers(Candidate& c, const ScannedFile& scanned) {
  const std::pair<const std::string, ScannedTensor>* first = nullptr;
  for (const auto& entry : scanned.tensors) {
    if (entry.second.not_finite > 0 && (first == nullptr || entry.second.begin < first->second.begin)) first = &entry;
  }
  if (first == nullptr) return;
  const ScannedTensor& bad = first->second;
  set_problem(c.file,
              std::to_string(bad.not_finite) + (bad.not_finite == 1 ? " number is" : " numbers are") +
                  " infinite or NaN; the file is damaged, or was made by a training that failed: download it again, or "
                  "take another",
              first->first, static_cast<int64_t>(bad.begin), static_cast<int64_t>(bad.end));
}

// Returns the first tensor, in the file's order, that holds nothing but zeros and mustn't, or null.
const TensorInfo* first_zeros(const Candidate& c, const ScannedFile& scanned, std::string* name, size_t* count) {
  const TensorInfo* first = nullptr;
  *count = 0;
  for (const auto& [tensor, seen] : scanned.tensors) {
    if (!seen.zeros || may_be_zeros(tensor)) continue;
    ++*count;
    const TensorInfo& info = c.weights->tensors().at(tensor);
    if (first != nullptr && first->begin < info.begin) continue;
    first = &info;
    *name = tensor;
  }
  return first;
}

void judge_hashes(Candidate& c, const ScannedFile& scanned) {
  c.file.sha256 = scanned.sha256;
  std::string with;
  const auto compare = [&](const std::string& expected, const std::string& found, const char* what, const char* kind) {
    if (expected.empty()) return;
    with += std::string(with.empty() ? "" : " and ") + what;
    if (expected == found) return;
    set_problem(c.file,
                std::string("expected ") + kind + " " + expected + ", as " + what + " says, found " + found + kAgain,
                "", 0, c.file.bytes);
  };
  const bool git = c.blob.size() == 40;
  compare(c.listed, scanned.sha256, "the manifest", "SHA-256");
  compare(c.blob, git ? scanned.git_name : scanned.sha256, "the cache", git ? "git's SHA-1" : "SHA-256");
  c.file.compared = with;
}

void warn_of_zeros(Candidate& c, const ScannedFile& scanned, std::vector<std::string>& warnings) {
  std::string name;
  size_t count = 0;
  const TensorInfo* first = first_zeros(c, scanned, &name, &count);
  if (first == nullptr) return;
  warnings.push_back(c.path.string() + ": " + std::to_string(count) + (count == 1 ? " tensor holds" : " tensors hold") +
                     " nothing but zeros, the first is \"" + name +
                     "\"; was the download interrupted? Download the file again");
  if (c.file.problem.empty() || !c.file.tensor.empty()) return;
  c.file.tensor = name;  // where a wrong hash comes from, most likely
  c.file.begin = static_cast<int64_t>(c.weights->data_begin() + first->begin);
  c.file.end = static_cast<int64_t>(c.weights->data_begin() + first->end);
}

void read_all(std::vector<Candidate>& candidates, bool hash_all, const ReadingCallbacks& callbacks,
              VerifyReport& report) {
  std::vector<FileToScan> files;
  std::vector<Candidate*> of;
  for (Candidate& c : candidates) {
    const bool sha256 = hash_all || !c.listed.empty() || c.blob.size() == 64;
    if (!c.file.problem.empty() || (c.weights == nullptr && !sha256 && c.blob.empty())) continue;
    files.push_back({.path = c.path, .weights = c.weights.get(), .sha256 = sha256, .git_name = c.blob.size() == 40});
    of.push_back(&c);
  }
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<ScannedFile> scanned = scan_files(files, callbacks.progress, callbacks.cancel);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (size_t i = 0; i < files.size(); ++i) {
    report.bytes += static_cast<int64_t>(scanned[i].bytes);
    if (!scanned[i].problem.empty()) {
      set_problem(of[i]->file, scanned[i].problem + "; is the disk well? Download the file again", "",
                  static_cast<int64_t>(scanned[i].bytes), of[i]->file.bytes);
      continue;
    }
    judge_numbers(*of[i], scanned[i]);
    judge_hashes(*of[i], scanned[i]);
    warn_of_zeros(*of[i], scanned[i], report.warnings);
    of[i]->seen = scanned[i].tensors;
  }
}

// Adds a problem to the file below `root` that it names, or else to `place`, which may be a folder.
void add_problem(std::vector<Candidate>& candidates, const fs::path& root, fs::path place, std::string problem) {
  const auto names = [&](const fs::path& path) { return problem.starts_with(path.string() + ": "); };
  for (Candidate& c : candidates) {
    if (c.path.empty() || !names(c.path)) continue;
    set_problem(c.file, problem.substr(c.path.string().size() + 2), "", 0, c.file.bytes);
    return;
  }
  // A file that isn't there, or a folder.
  const std::string begin = (root / "").string();
  const size_t end = problem.starts_with(begin) ? problem.find(": ", begin.size()) : std::string::npos;
  if (end != std::string::npos) place = problem.substr(begin.size(), end - begin.size());
  if (names(root / place) || names(root)) problem.erase(0, problem.find(": ", root.string().size()) + 2);
  candidates.emplace_back();
  candidates.back().file.file = place;
  candidates.back().file.problem = problem;
}

// Checks the components of the checkpoint, or the one component that the folder is. Adds what is wrong with the
// configuration, weights that aren't there, and shards that aren't what their index says.
std::vector<CheckedComponent> judge_whole(std::vector<Candidate>& candidates, const fs::path& root) {
  std::vector<CheckedComponent> components;
  if (looks_like_checkpoint(root)) {
    CheckedCheckpoint whole(root);
    if (!whole.problem.empty()) add_problem(candidates, root, "model_index.json", whole.problem);
    if (!whole.tokenizer_problem.empty()) add_problem(candidates, root, "processor", whole.tokenizer_problem);
    components = std::move(whole.components);
  } else if (is_present(root / "config.json")) {
    components.emplace_back(root, nullptr);
  }
  std::set<fs::path> others;  // folders with an index
  for (const Candidate& c : candidates) {
    if (c.file.file.string().ends_with(".safetensors.index.json")) others.insert(c.path.parent_path());
  }
  for (const CheckedComponent& component : components) others.erase(component.folder);
  for (const fs::path& folder : others) components.emplace_back(folder, nullptr);
  for (const CheckedComponent& component : components) {
    for (const std::string& problem : component.problems) {
      add_problem(candidates, root, component.folder.lexically_relative(root), problem);
    }
  }
  return components;
}

// Adds a problem to the file that has a tensor.
void add_tensor_problem(std::vector<Candidate>& candidates, const CheckedComponent& component,
                        const std::string& tensor, const std::string& problem) {
  const SafetensorsFile& file = component.tensors.file_of(tensor);
  const TensorInfo& info = file.tensors().at(tensor);
  for (Candidate& c : candidates) {
    if (c.path != file.path()) continue;
    set_problem(c.file, told_of(c.path, problem).text, tensor, static_cast<int64_t>(file.data_begin() + info.begin),
                static_cast<int64_t>(file.data_begin() + info.end));
  }
}

// Adds the tensors that aren't what config.json says. A file has one problem at most, and what keeps it from being read
// comes first.
void judge_tensors(std::vector<Candidate>& candidates, const fs::path& root, CheckedComponent& component) {
  std::map<std::string, ScannedTensor> seen;
  for (const SafetensorsFile& file : component.tensors.files()) {
    for (const Candidate& c : candidates) {
      if (c.path == file.path()) seen.insert(c.seen.begin(), c.seen.end());
    }
  }
  component.check_values(seen);
  std::vector<std::string> missing;
  for (const TensorError& e : component.errors) {
    if (e.kind() == TensorError::Kind::missing) {
      missing.push_back(e.tensor());
      continue;
    }
    const std::string begin = component.tensors.place_of_coded(e.tensor()) + ": ";
    const std::string said = e.what();
    add_tensor_problem(candidates, component, component.tensors.parts(e.tensor()).front(),
                       said.starts_with(begin) ? said.substr(begin.size()) : said);
  }
  for (const std::string& name : component.unclaimed) {
    add_tensor_problem(candidates, component, name,
                       "this model doesn't use this tensor; does config.json belong to this file?");
  }
  if (missing.empty() || !component.problems.empty()) return;  // that of a file that is missing has been told
  add_problem(candidates, root, component.folder.lexically_relative(root),
              component.folder.string() + ": " + std::to_string(missing.size()) +
                  (missing.size() == 1 ? " tensor is missing: " : " tensors are missing: ") + first_of(missing) +
                  "; is the checkpoint complete? Download it again");
}

VerifyReport verify(const fs::path& given, const VerifyOptions& options, const ReadingCallbacks& callbacks) {
  const CheckpointName name(given);
  std::error_code none;
  if (name.random || !fs::is_directory(name.folder, none)) {
    const bool file = fs::exists(name.folder, none);
    refuse(ErrorCode::model, given.string(), "a checkpoint's folder", file ? "a file" : "none",
           file ? "glm-image weights inspect reads a lone file" : "check the name");
  }
  VerifyReport report{.folder = name.folder, .manifest = options.manifest};
  const fs::path own = default_manifest(name.folder);
  if (report.manifest.empty() && is_present(own)) report.manifest = own;
  Manifest manifest;
  if (!report.manifest.empty() && !fs::is_regular_file(report.manifest, none)) {
    refuse(ErrorCode::model, report.manifest.string(), "a list of SHA-256 sums", "no such file", "check its name");
  }
  if (!report.manifest.empty()) manifest = read_manifest(report.manifest);
  std::vector<Candidate> candidates;
  for (const fs::path& file : files_of(name.folder)) {
    if (file == kManifest || fs::equivalent(name.folder / file, report.manifest, none)) continue;
    candidates.push_back(candidate_of(name.folder, file));
    const auto listed = manifest.find(file.string());
    if (listed == manifest.end()) continue;
    candidates.back().listed = listed->second;
    manifest.erase(listed);
  }
  for (const auto& entry : manifest) {  // what is left isn't there
    candidates.emplace_back();
    candidates.back().file.file = entry.first;
    candidates.back().path = name.folder / entry.first;
    candidates.back().file.problem = "the manifest names it, and it is missing; download it";
  }
  const auto is_weights = [](const Candidate& c) { return c.file.file.extension() == ".safetensors"; };
  if (std::none_of(candidates.begin(), candidates.end(), is_weights)) {
    refuse(ErrorCode::model, name.folder.string(), "a folder with safetensors files", "none",
           "give the folder of a GLM-Image checkpoint");
  }
  std::vector<CheckedComponent> components = judge_whole(candidates, name.folder);
  read_all(candidates, options.hash_all, callbacks, report);
  for (CheckedComponent& component : components) judge_tensors(candidates, name.folder, component);
  for (Candidate& c : candidates) report.files.push_back(std::move(c.file));
  std::sort(report.files.begin(), report.files.end(),
            [](const VerifiedFile& a, const VerifiedFile& b) { return a.file < b.file; });
  return report;
}

void write(const VerifyReport& report, const fs::path& file) {
  if (report.count_problems() > 0) {
    refuse(ErrorCode::model, report.folder.string(), "a whole checkpoint to write a manifest of", "a damaged one",
           "download what is damaged first");
  }
  Manifest manifest;
  for (const VerifiedFile& one : report.files) {
    if (one.sha256.empty()) refuse("manifest", "a report with the SHA-256 of all files (hash_all)", "one without");
    manifest[one.file.string()] = one.sha256;
  }
  const std::string text = manifest_text(manifest);
  if (!write_new_file(file, bytes_writer(as_bytes(text)))) {
    throw Error(ErrorCode::io, file.string() + ": exists already; choose another name, or remove it first");
  }
}

}  // namespace

int64_t VerifyReport::count_problems() const {
  return std::count_if(files.begin(), files.end(), [](const VerifiedFile& file) { return !file.problem.empty(); });
}

fs::path default_manifest(const fs::path& folder) {
  return guarded([&] { return CheckpointName(folder).folder / kManifest; });
}

VerifyReport verify_weights(const fs::path& folder, const VerifyOptions& options, const ReadingCallbacks& callbacks) {
  return guarded(at::kCPU, [&] { return verify(folder, options, callbacks); });
}

void write_manifest(const VerifyReport& report, const fs::path& file) {
  guarded([&] { write(report, file); });
}

}  // namespace glm
