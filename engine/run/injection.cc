#include "engine/run/injection.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>

#include "base/refuse.h"
#include "engine/checkpoint/dtype.h"
#include "glm/error.h"

namespace glm {

Injection::Injection(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) {
    const bool other = std::filesystem::exists(file, ignored);
    refuse("can't inject " + file.string(), "a file that --dump wrote",
           other ? "a folder, a pipe or a device" : "none");
  }
  try {
    file_ = std::make_shared<const SafetensorsFile>(file);
  } catch (const Error& e) {
    // The advice after the last semicolon is cut off: it is about a checkpoint's files.
    const std::string what = e.what();
    throw Error(ErrorCode::usage,
                "can't inject " + what.substr(0, what.rfind(';')) + "; expected a file that --dump wrote");
  }
}

void Injection::check_used(size_t references) const {
  std::string names;
  std::vector<std::string> known = {"ar.in.input_ids",     "ar.generated",          "prior.ids",
                                    "glyph.prompt_embeds", "glyph.negative_embeds", "latents.init",
                                    "latents.final_scaled"};
  if (references > 0) known.push_back("prior.source0.ids");
  for (size_t i = 0; i < references; ++i) known.push_back("vae.cond" + std::to_string(i) + ".mean");
  for (const std::string& name : known) {
    if (has(name)) return;
    names += name + ", ";
  }
  if (last_step() >= 0) return;
  refuse("can't inject " + file_->path().string(), "one of the tensors " + names + "step{k}.latents", "none of them");
}

Injection injection_of(const Request& request) {
  if (request.inject.empty()) return {};
  Injection injected(request.inject);
  injected.check_used(request.references.size());
  return injected;
}

void Injection::fail(const std::string& name, const std::string& expected, const std::string& found) const {
  refuse("can't inject " + file_->path().string() + ": tensor \"" + name + "\"", expected, found);
}

Injection Injection::of(int64_t picture, int64_t pictures) const {
  Injection own = *this;
  own.picture_ = picture;
  own.pictures_ = pictures;
  return own;
}

bool Injection::check_shape(const std::string& name, at::IntArrayRef shape) const {
  const std::vector<int64_t>& stored = file_->tensors().at(name).shape;
  std::vector<int64_t> found = stored;
  const bool one_each = pictures_ > 1 && !found.empty() && shape[0] == 1 && found[0] == pictures_;
  if (one_each) found[0] = 1;
  const bool fits =
      found.size() == shape.size() && std::equal(found.begin(), found.end(), shape.begin(),
                                                 [](int64_t f, int64_t s) { return f == s || (s == -1 && f >= 1); });
  if (!fits) fail(name, "shape " + shape_text(shape) + " (-1: any)", shape_text(stored));
  return one_each;
}

at::Tensor Injection::read(const std::string& name, at::IntArrayRef shape) const {
  const bool one_each = check_shape(name, shape);
  const at::Tensor tensor = file_->tensor(name);
  return one_each ? tensor.slice(0, picture_, picture_ + 1) : tensor;
}

std::optional<at::Tensor> Injection::ids(const std::string& name, at::IntArrayRef shape, int64_t limit) const {
  if (!has(name)) return std::nullopt;
  const at::Tensor ids = read(name, shape);
  if (ids.scalar_type() != at::kLong) fail(name, "I64", dtype_name(ids.scalar_type()));
  const auto low = ids.min().item<int64_t>();
  const auto high = ids.max().item<int64_t>();
  if (low < 0 || high >= limit) {
    fail(name, "ids from 0 to " + std::to_string(limit - 1), std::to_string(low) + " to " + std::to_string(high));
  }
  return ids;
}

std::optional<at::Tensor> Injection::values(const std::string& name, at::IntArrayRef shape,
                                            at::ScalarType dtype) const {
  if (!has(name)) return std::nullopt;
  check_values(name, shape);
  return read(name, shape).to(dtype);
}

void Injection::check_values(const std::string& name, at::IntArrayRef shape) const {
  if (!has(name)) return;
  check_shape(name, shape);
  const at::ScalarType stored = file_->tensors().at(name).dtype;
  if (!at::isFloatingType(stored)) fail(name, "floating-point numbers", dtype_name(stored));
  if (!at::isfinite(file_->tensor(name)).all().item<bool>()) fail(name, "finite numbers", "NaN or infinity");
}

int64_t Injection::last_step() const {
  int64_t last = -1;
  if (!file_) return last;
  for (const auto& entry : file_->tensors()) {
    const std::string& name = entry.first;
    if (!name.starts_with("step") || !name.ends_with(".latents")) continue;
    int64_t k = -1;
    const char* end = name.data() + name.size() - 8;
    std::from_chars(name.data() + 4, end, k);
    if (name == "step" + std::to_string(k) + ".latents") last = std::max(last, k);  // step05 isn't step 5
  }
  return last;
}

}  // namespace glm
