// What the loader would refuse of a checkpoint's files. It is found without loading: by their headers, and by what a
// scan of their bytes has shown.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/checkpoint/coded_layout.h"
#include "engine/checkpoint/component_files.h"
#include "engine/checkpoint/file_scan.h"
#include "engine/checkpoint/stored_tensors.h"
#include "engine/checkpoint/tensor_error.h"
#include "engine/run/expected_tensors.h"

namespace glm {

// Reads the tokenizers of a checkpoint. Throws Error(model) where loading the checkpoint would throw it.
void check_tokenizers(const std::filesystem::path& checkpoint);

struct CheckedComponent {
  // Checks a component's folder. expected: the tensors that the model needs; null where nothing tells them. Then only
  // quantised weights are checked, each by itself. Throws nothing but std::bad_alloc.
  CheckedComponent(const std::filesystem::path& folder, const ExpectedTensors* expected);
  // Checks a lone file in the same way. A configuration that can't be read is no problem of the file's.
  explicit CheckedComponent(const SafetensorsFile& file);

  // Adds what is wrong with the scales and zeros of quantised weights. seen: by the tensors' names.
  void check_values(const std::map<std::string, ScannedTensor>& seen);

  std::filesystem::path folder;
  std::string format;                      // how the component is quantised, or ""
  std::vector<std::string> problems = {};  // with its files and its configuration; each says what to do
  StoredTensors tensors;
  std::vector<TensorError> errors = {};     // at most one of a weight
  std::vector<std::string> unclaimed = {};  // names of tensors that this model doesn't use

 private:
  CheckedComponent(std::filesystem::path folder, ComponentFiles files);
  std::set<std::string> check(const std::string& weight, const std::vector<int64_t>& shape);

  std::map<std::string, CodedLayout> coded_ = {};  // of the quantised weights that have no error
};

// The four components, in the order of kComponentFolders.
struct CheckedCheckpoint {
  explicit CheckedCheckpoint(const std::filesystem::path& folder);

  // Returns the first of all problems, or "" if there is none.
  std::string first_problem() const;

  std::string problem;            // what is wrong with the configuration, or ""
  std::string tokenizer_problem;  // what is wrong with the tokenizers, or ""
  std::vector<CheckedComponent> components;
};

}  // namespace glm
