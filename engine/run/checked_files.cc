#include "engine/run/checked_files.h"

#include <optional>
#include <utility>

#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/config.h"
#include "engine/checkpoint/stored_format.h"
#include "glm/error.h"
#include "tokenizer/byte_tokenizer.h"
#include "tokenizer/prompt_layout.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {

namespace fs = std::filesystem;
using Kind = TensorError::Kind;

namespace {

// Returns how a folder's component is quantised. Sets `problem` where its configuration can't be read, and `format` to
// what it is called in any case.
std::optional<Quantisation> quantisation_of(const fs::path& folder, std::string& format, std::string& problem) {
  try {
    std::optional<Quantisation> found = Quantisation::of(folder);
    if (found) format = found->text();
    return found;
  } catch (const Error& e) {
    problem = e.what();
    format = method_named(folder);
    return std::nullopt;
  }
}

}  // namespace

void check_tokenizers(const fs::path& checkpoint) {
  const TextTokenizer text(checkpoint / "processor" / "tokenizer.json");
  read_layout_tokens(checkpoint / "processor" / "tokenizer_config.json");
  const ByteTokenizer bytes(checkpoint / "tokenizer" / "tokenizer_config.json");
}

CheckedComponent::CheckedComponent(fs::path from, ComponentFiles files)
    : folder(std::move(from)), problems(std::move(files.problems)) {
  std::string problem;
  std::optional<Quantisation> quantisation = quantisation_of(folder, format, problem);
  if (!problem.empty()) problems.push_back(problem);
  tensors = StoredTensors(folder, std::move(files.files), std::move(quantisation));
}

CheckedComponent::CheckedComponent(const SafetensorsFile& file)
    : CheckedComponent(file.path().parent_path(), ComponentFiles(file)) {
  problems.clear();
  for (const auto& [weight, shape] : tensors.coded_shapes()) check(weight, shape);
}

CheckedComponent::CheckedComponent(const fs::path& from, const ExpectedTensors* expected)
    : CheckedComponent(from, ComponentFiles(from)) {
  if (expected == nullptr) {
    for (const auto& [weight, shape] : tensors.coded_shapes()) check(weight, shape);
    return;
  }
  std::set<std::string> taken;
  for (const auto& [name, shape] : expected->shapes) {
    const auto other = expected->other_names.find(name);
    const bool renamed = !tensors.has(name) && other != expected->other_names.end() && tensors.has(other->second);
    taken.merge(check(renamed ? other->second : name, shape));
  }
  for (const auto& entry : tensors.names()) {
    if (!taken.contains(entry.first) && !expected->leaves(entry.first)) unclaimed.push_back(entry.first);
  }
}

// Returns the tensors that the weight takes. Where something is wrong with it, it takes all that could be its own, so
// that one thing is told once.
std::set<std::string> CheckedComponent::check(const std::string& weight, const std::vector<int64_t>& shape) {
  try {
    if (!tensors.is_coded(weight)) {
      tensors.find_numbers(weight, shape);
      return {weight};
    }
    const CodedLayout& layout = coded_.emplace(weight, tensors.layout(weight, shape)).first->second;
    std::set<std::string> parts = {layout.codes.name, layout.scales.name};
    if (layout.zeros) parts.insert(layout.zeros->name);
    return parts;
  } catch (const TensorError& e) {
    errors.push_back(e);
  } catch (const Error& e) {  // the configuration contradicts itself
    errors.emplace_back(Kind::contradictory, weight, e.what());
  }
  const std::vector<std::string> parts = tensors.parts(weight);
  return {parts.begin(), parts.end()};
}

void CheckedComponent::check_values(const std::map<std::string, ScannedTensor>& seen) {
  for (const auto& [weight, layout] : coded_) {
    // A number that isn't finite is told by itself.
    const auto most = [&](const ScannedTensor& tensor) { return tensor.not_finite > 0 ? 0 : tensor.most; };
    const auto scales = seen.find(layout.scales.name);
    const auto zeros = layout.zeros ? seen.find(layout.zeros->name) : seen.end();
    if (scales == seen.end() || (layout.zeros && zeros == seen.end())) continue;  // a file that couldn't be read
    CodedValues values{.most_scale = most(scales->second)};
    if (layout.zeros) {
      values.most_zero = most(zeros->second);
      values.eights = zeros->second.eights;
    }
    try {
      glm::check_values(layout, values, tensors.place_of_coded(weight));
    } catch (const TensorError& e) {
      errors.push_back(e);
    }
  }
}

CheckedCheckpoint::CheckedCheckpoint(const fs::path& folder) {
  std::map<std::string, ExpectedTensors> expected;
  try {
    expected = expected_tensors(ModelConfig(folder));
  } catch (const Error& e) {
    problem = e.what();
  }
  try {
    check_tokenizers(folder);
  } catch (const Error& e) {
    tokenizer_problem = e.what();
  }
  for (const char* name : kComponentFolders) {
    components.emplace_back(folder / name, expected.empty() ? nullptr : &expected.at(name));
    std::erase(components.back().problems, problem);  // one thing is told once
  }
}

std::string CheckedCheckpoint::first_problem() const {
  if (!problem.empty()) return problem;
  if (!tokenizer_problem.empty()) return tokenizer_problem;
  for (const CheckedComponent& component : components) {
    if (!component.problems.empty()) return component.problems.front();
    if (!component.errors.empty()) return component.errors.front().what();
  }
  return "";
}

}  // namespace glm
