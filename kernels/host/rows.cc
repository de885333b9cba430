#include "kernels/host/rows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstddef>

#include "kernels/host/host_kernels.h"
#include "kernels/host/threads.h"

namespace glm::host {
namespace {

constexpr int64_t kNumbersWorthAThread = 1 << 14;  // fewer of them aren't worth waking a thread

Type type_of(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 ? Type::bf16 : Type::fp32;
}

const std::byte* row_of(const at::Tensor& x, int64_t row) {
  return static_cast<const std::byte*>(x.const_data_ptr()) + row * x.stride(0) * static_cast<int64_t>(x.element_size());
}
std::byte* writable_row_of(const at::Tensor& x, int64_t row) {
  return static_cast<std::byte*>(x.mutable_data_ptr()) + row * x.stride(0) * static_cast<int64_t>(x.element_size());
}

// Calls `work` with each row. numbers: how many a row has
template <typename Work>
void by_rows(int64_t rows, int64_t numbers, const Work& work) {
  on_threads(rows, std::max<int64_t>(1, kNumbersWorthAThread / numbers), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) work(row);
  });
}

// Returns the place of a row in its picture, or -1 for a text row.
int64_t place_of(const std::vector<SequenceRows>& sequences, int64_t row) {
  for (const SequenceRows& s : sequences) {
    if (row < s.text + s.image) return row < s.text ? -1 : row - s.text;
    row -= s.text + s.image;
  }
  return -1;
}

}  // namespace

bool takes_rows(const at::Tensor& x, const std::vector<at::Tensor>& tables) {
  const bool known = x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kFloat;
  return x.is_cpu() && known && x.numel() > 0 && x.is_contiguous() &&
         std::all_of(tables.begin(), tables.end(), [&](const at::Tensor& table) {
           return table.scalar_type() == x.scalar_type() && table.stride(1) == 1 && table.size(1) == x.size(1);
         });
}

bool takes_rotation(const RotaryTable& rotary, const std::vector<SequenceRows>& sequences, int64_t head) {
  const auto is_readable = [&](const at::Tensor& table) {
    return table.scalar_type() == at::kFloat && table.is_contiguous() && table.size(1) == head &&
           std::all_of(sequences.begin(), sequences.end(),
                       [&](const SequenceRows& s) { return s.image <= table.size(0); });
  };
  return head % 2 == 0 && is_readable(rotary.cos) && is_readable(rotary.sin);
}

at::Tensor modulate(at::Tensor& x, const std::optional<Gated>& product, const std::vector<RowGroup>& groups,
                    const std::optional<Modulation>& modulation, double eps) {
  const at::Tensor sum = product ? at::empty_like(x) : x;
  at::Tensor normed = modulation ? at::empty_like(x) : at::Tensor();
  by_rows(x.size(0), x.size(1), [&](int64_t row) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const RowGroup& some) { return row < some.end; });
    ModulatedRow r{.type = type_of(x), .dim = x.size(1), .eps = static_cast<float>(eps), .x = row_of(x, row)};
    if (product) {
      r.y = row_of(product->y, row);
      r.gate = row_of(product->gate, group->modulation);
      r.sum = writable_row_of(sum, row);
    }
    if (modulation) {
      r.scale = row_of(modulation->scale, group->modulation);
      r.shift = row_of(modulation->shift, group->modulation);
      r.normed = writable_row_of(normed, row);
    }
    best_kernels().modulate(r);
  });
  x = sum;
  return normed;
}

void norm_heads(const at::Tensor& qkv, const std::vector<SequenceRows>& sequences, const RotaryTable& rotary,
                double eps) {
  const int64_t heads = 2 * qkv.size(2);
  const int64_t head = qkv.size(3);
  by_rows(qkv.size(0), heads * head, [&](int64_t row) {
    const int64_t place = place_of(sequences, row);
    best_kernels().norm_heads({.type = type_of(qkv),
                               .heads = heads,
                               .head = head,
                               .eps = static_cast<float>(eps),
                               .cosines = place < 0 ? nullptr : rotary.cos.const_data_ptr<float>() + place * head,
                               .sines = place < 0 ? nullptr : rotary.sin.const_data_ptr<float>() + place * head,
                               .x = writable_row_of(qkv, row)});
  });
}

void gelu_tanh(const at::Tensor& x) {
  const int64_t columns = x.size(-1);
  by_rows(x.numel() / columns, columns, [&](int64_t row) {
    auto* const first = static_cast<std::byte*>(x.mutable_data_ptr());
    best_kernels().gelu(first + row * columns * static_cast<int64_t>(x.element_size()), type_of(x), columns);
  });
}

}  // namespace glm::host
