#include "engine/run/precision.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/quantisation.h"
#include "glm/error.h"

namespace glm {
namespace {

using cuda::Format;

// A component whose weights can have another format than the checkpoint's.
struct Component {
  const char* name;
  const char* folder;
  Format Precision::*format;
};
constexpr Component kComponents[] = {{"prior", "vision_language_encoder", &Precision::prior},
                                     {"dit", "transformer", &Precision::dit}};

// Only our kernels for a GPU multiply by fp8.
bool may_have(const Component& component, const cuda::FormatRow& row) {
  return !row.coded && (row.format != Format::fp8 || component.format == &Precision::prior);
}

std::string choice(const Component& component, Format format) {
  return component.name + std::string("=") + cuda::row_of(format).name;
}

// Sets what a text such as "prior=int4" says. Returns false where it says nothing that is known.
bool set(Precision& precision, const std::string& text) {
  for (const Component& component : kComponents) {
    for (const cuda::FormatRow& row : cuda::kFormats) {
      if (!may_have(component, row) || text != choice(component, row.format)) continue;
      precision.*component.format = row.format;
      return true;
    }
  }
  return false;
}

std::string quoted(const std::string& text) {
  return std::string("\"").append(shortened(text, 60)).append("\"");
}

std::string component_of(const std::string& text) {
  return text.substr(0, text.find('='));
}

Weights in_format(const Weights& weights, Format format, std::vector<std::string> places) {
  if (format == Format::bf16) return weights;
  return weights.in_codes(format == Format::int4 ? CodedWeight::Coding::int4 : CodedWeight::Coding::int8,
                          std::move(places));
}

}  // namespace

Precision Precision::of(const std::string& text, const std::string& option) {
  Precision precision;
  std::vector<std::string> named;
  for (size_t begin = 0; begin < text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string one = text.substr(begin, comma - begin);
    if (!set(precision, one) || comma + 1 == text.size()) {
      refuse(ErrorCode::usage, option, listed(choices()), quoted(text), "a comma stands between two components");
    }
    for (const std::string& before : named) {
      if (before == component_of(one)) {
        refuse(ErrorCode::usage, option, "each component once", quoted(text), "leave out one " + before + "=");
      }
    }
    named.push_back(component_of(one));
    begin = comma + 1;
  }
  return precision;
}

std::string Precision::text() const {
  std::string text;
  for (const Component& component : kComponents) {
    if (!text.empty()) text += ",";
    text += choice(component, this->*component.format);
  }
  return text;
}

std::vector<std::string> Precision::choices() {
  std::vector<std::string> choices;
  for (const Component& component : kComponents) {
    for (const cuda::FormatRow& row : cuda::kFormats) {
      if (may_have(component, row)) choices.push_back(choice(component, row.format));
    }
  }
  return choices;
}

std::string quantisation_of(const CheckpointName& checkpoint, const char* part) {
  if (checkpoint.random) return "";
  const std::optional<Quantisation> found = Quantisation::of(checkpoint.folder / part);
  return found ? found->text() : "";
}

void check_precision(const Precision& precision, const CheckpointName& checkpoint, at::ScalarType dtype,
                     at::Device device) {
  for (const Component& component : kComponents) {
    const Format format = precision.*component.format;
    if (!cuda::row_of(format).quantised) continue;
    const std::string asked = "precision " + choice(component, format);
    if (const std::string own = quantisation_of(checkpoint, component.folder); !own.empty()) {
      refuse(ErrorCode::usage, asked, "a checkpoint whose " + std::string(component.folder) + " is in bf16", own,
             "take " + choice(component, Format::bf16) + " for it; this component is small already");
    }
    if (device.is_cpu() && format == Format::fp8) {
      refuse(ErrorCode::device, asked, "a GPU", "--device cpu",
             "take " + choice(component, Format::int8) + " on a CPU");
    }
    if (!device.is_cpu() && component.format == &Precision::prior && dtype != at::kBFloat16) {
      refuse(ErrorCode::usage, asked, "--dtype bfloat16 beside it on a GPU", "float32", "leave one of them out");
    }
  }
}

double bytes_in_format(Format format, at::ScalarType dtype) {
  if (format == Format::bf16) return static_cast<double>(c10::elementSize(dtype));
  const double scales = cuda::with_format(format, [](auto row) { return decltype(row)::kScaleBytes; });  // of two rows
  return cuda::row_of(format).bytes + scales / (2 * cuda::kGroupInner);
}

Weights prior_in_format(const Weights& weights, Format format) {
  if (!weights.device().is_cpu()) return weights;
  return in_format(weights, format, {"model.language_model.layers.", "lm_head."});
}

Weights dit_in_format(const Weights& weights, Format format) {
  return in_format(weights, format, {".attn1.", ".ff."});
}

}  // namespace glm
