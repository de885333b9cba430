// Writes the small random checkpoints: the files that are tracked, and the weights, drawn as README.md here says.
//   make_checkpoints FROM TO NAME…     FROM/NAME: what is tracked, TO/NAME: the complete checkpoint, whole or not at
//   all
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/sha256.h"
#include "glm/error.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Tensors = std::map<std::string, at::Tensor>;

// The tensors of one component, drawn one after the other.
class Weights {
 public:
  Weights(const json& rules, std::string folder, int64_t codebook)
      : rules_(rules), folder_(std::move(folder)), codebook_(codebook) {}

  void draw(const std::string& name, const std::vector<int64_t>& shape, const at::Generator& generator) {
    const json& rule = rule_for(name, shape);
    const at::Tensor noise = at::randn(shape, generator);
    const int64_t inputs = noise.numel() / shape[0];
    const at::Tensor value = take(rule.at("do"), noise, inputs, name).clone();
    for (const json& part : rule.value("parts", json::array())) {
      const auto cut = [&](const at::Tensor& whole) {
        const at::Tensor rows = whole.slice(0, row(part.at("rows")[0], shape[0]), row(part.at("rows")[1], shape[0]));
        return part.contains("column") ? rows.select(1, part["column"].get<int64_t>()) : rows;
      };
      cut(value).copy_(take(part.at("do"), cut(noise), inputs, name));
    }
    drawn_[name] = value;
  }

  const Tensors& drawn() const { return drawn_; }

 private:
  // The first rule that fits.
  const json& rule_for(const std::string& name, const std::vector<int64_t>& shape) const {
    for (const json& rule : rules_) {
      if (rule.value("vector", false) && shape.size() != 1) continue;
      if (std::regex_search(folder_ + "/" + name, std::regex(rule.at("name").get<std::string>()))) return rule;
    }
    throw Error(ErrorCode::internal, "rules.json: expected a rule for every tensor, found none for " + name);
  }

  int64_t row(const json& at, int64_t end) const {
    return at == "end" ? end : at == "codebook" ? codebook_ : at.get<int64_t>();
  }

  at::Tensor take(const json& steps, at::Tensor value, int64_t inputs, const std::string& name) const {
    for (const json& step : steps) {
      const std::string kind = step.at(0);
      const double number = step.at(1);
      if (kind == "times") {
        value = value * number;
      } else if (kind == "plus") {
        value = value + number;
      } else if (kind == "gain") {
        value = value * (number / std::sqrt(static_cast<double>(inputs)));
      } else if (kind == "plus_of") {
        std::string other = name;
        const std::string replaced = step.at(2);
        other.replace(other.find(replaced), replaced.size(), step.at(3).get<std::string>());
        value = value + drawn_.at(other) * number;
      } else {
        throw Error(ErrorCode::internal, "rules.json: expected times, plus, gain or plus_of, found " + step.dump());
      }
    }
    return value;
  }

  const json& rules_;
  const std::string folder_;
  const int64_t codebook_;
  Tensors drawn_;
};

// The very bytes that the safetensors package writes for tensors of one type.
void write_tensors(const fs::path& file, const Tensors& tensors) {
  nlohmann::ordered_json header = {{"__metadata__", {{"format", "pt"}}}};
  size_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = end;
    end += tensor.nbytes();
    header[name] = {{"dtype", tensor.scalar_type() == at::kFloat ? "F32" : "BF16"},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  write_file(file, [&](std::ostream& out) {
    const uint64_t size = text.size();
    out.write(reinterpret_cast<const char*>(&size), sizeof size);
    out << text;
    for (const auto& [name, tensor] : tensors) {
      out.write(static_cast<const char*>(tensor.const_data_ptr()), static_cast<std::streamsize>(tensor.nbytes()));
    }
  });
}

// Which of the component's files holds which tensors: all in one, or as its index says.
std::map<std::string, Tensors> by_file(const fs::path& folder, const json& files, const Tensors& drawn,
                                       at::ScalarType dtype) {
  std::map<std::string, Tensors> all;
  json shards;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().string().ends_with(".index.json")) shards = read_json(entry.path()).at("weight_map");
  }
  for (const auto& [name, value] : drawn) {
    const std::string file = shards.is_null() ? files.begin().key() : shards.at(name).get<std::string>();
    all[file][name] = value.to(dtype);
  }
  return all;
}

void check(const fs::path& file, const std::string& expected) {
  const std::string found = sha256_of(file);
  if (found == expected) return;
  throw Error(
      ErrorCode::internal,
      file.string() + ": expected the SHA-256 " + expected + " of upstream's file, found " + found +
          ": the goldens would not fit. LibTorch draws these numbers on a CPU with AVX2, and others without it: "
          "build the tests on one that has it. If it has, weights.json and rules.json do not belong together: "
          "see tests/checkpoints/README.md");
}

void make_checkpoint(const fs::path& from, const fs::path& to) {
  fs::copy(from, to, fs::copy_options::recursive);
  const json rules = read_json(from.parent_path() / "rules.json");
  const json recipe = read_json(from / "weights.json");
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(recipe.at("seed").get<uint64_t>());
  for (const json& component : recipe.at("components")) {
    const std::string folder = component.at("folder");
    Weights weights(rules, folder, recipe.at("codebook"));
    for (const json& tensor : component.at("draws")) {
      weights.draw(tensor[0], std::vector<int64_t>(tensor.begin() + 1, tensor.end()), generator);
    }
    const json& files = component.at("files");
    const at::ScalarType dtype = component.at("dtype") == "float32" ? at::kFloat : at::kBFloat16;
    for (const auto& [file, tensors] : by_file(from / folder, files, weights.drawn(), dtype)) {
      write_tensors(to / folder / file, tensors);
      check(to / folder / file, files.at(file));
    }
  }
}

// Each checkpoint of `from` that has a recipe, whole or not at all.
void make_checkpoints(const fs::path& from, const fs::path& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (!fs::exists(entry.path() / "weights.json")) continue;
    const fs::path made = to / entry.path().filename();
    const fs::path partial = made.string() + ".partial";
    fs::remove_all(partial);
    make_checkpoint(entry.path(), partial);
    fs::remove_all(made);
    fs::rename(partial, made);
  }
}

}  // namespace
}  // namespace glm

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: make_checkpoints FROM TO\n";
    return 2;
  }
  at::set_num_threads(1);
  try {
    glm::make_checkpoints(argv[1], argv[2]);
  } catch (const std::exception& e) {
    std::cerr << "make_checkpoints: " << e.what() << "\n";
    return 1;
  }
  return 0;
}
