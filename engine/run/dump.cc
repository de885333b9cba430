#include "engine/run/dump.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "base/atomic_file.h"
#include "base/stoppable_writes.h"
#include "engine/checkpoint/safetensors.h"
#include "glm/error.h"

namespace glm {

Dump::Dump(std::filesystem::path file, Tap::Level level, bool replace)
    : file_(std::move(file)), level_(level), replace_(replace) {
  if (file_.empty()) return;
  check_place(file_);
  std::error_code ignored;
  if (!replace_ && std::filesystem::is_regular_file(file_, ignored)) {
    throw Error(ErrorCode::io, file_.string() + ": exists already; choose another name");
  }
}

Tap Dump::tap() {
  if (file_.empty()) return {};
  const auto add = [this](const std::string& name, const at::Tensor& value) {
    tensors_[name].push_back(
        value.to(at::kCPU, value.scalar_type(), /*non_blocking=*/false, /*copy=*/true).contiguous());
  };
  return {add, level_};
}

void Dump::write(const std::string& json, const CancelToken* cancel) const {
  if (file_.empty()) return;
  std::map<std::string, at::Tensor> tensors;
  for (const auto& entry : tensors_) {
    const std::vector<at::Tensor>& values = entry.second;
    const bool same =
        std::all_of(values.begin(), values.end(), [&](const at::Tensor& v) { return at::equal(v, values[0]); });
    tensors.emplace(entry.first, same ? values[0] : at::cat(values));
  }
  const StoppableWrites stoppable(cancel);
  write_safetensors(file_, tensors, {{"json", json}}, replace_);
}

}  // namespace glm
