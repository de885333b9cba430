#include "kernels/decoder_kernels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "kernels/cuda_calls.h"
#include "kernels/host/rows.h"

namespace glm {
namespace {

using cuda::bf16_bits;

const bf16_bits* bits_of(const at::Tensor& tensor) {
  return static_cast<const bf16_bits*>(tensor.const_data_ptr());
}
bf16_bits* writable_bits_of(const at::Tensor& tensor) {
  return static_cast<bf16_bits*>(tensor.mutable_data_ptr());
}

bool is_aligned(const at::Tensor& x) {
  return reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 16 == 0;  // the kernels read so many bytes at once
}

// Whether the kernels can read these numbers, if their sizes suit them.
bool is_readable(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && x.numel() > 0 && is_aligned(x) && x.is_contiguous();
}

// Whether the rows of these tables lie one behind the other at the same distances, as the kernel reads them.
bool are_tables(const std::vector<at::Tensor>& tables) {
  return std::all_of(tables.begin(), tables.end(), [&](const at::Tensor& table) {
    return table.scalar_type() == at::kBFloat16 && is_aligned(table) && table.stride(1) == 1 &&
           table.stride(0) == tables[0].stride(0) && table.stride(0) % cuda::kVector == 0;
  });
}

// Whether the groups are all rows, in order.
bool cover(const std::vector<RowGroup>& groups, int64_t rows) {
  int64_t end = 0;
  for (const RowGroup& group : groups) {
    if (group.begin != end) return false;
    end = group.end;
  }
  return end == rows;
}

}  // namespace

at::Tensor modulate_by_aten(at::Tensor& x, const std::optional<Gated>& product, const std::vector<RowGroup>& groups,
                            const std::optional<Modulation>& modulation, double eps) {
  if (product) x = add_gated(x, product->y, groups, product->gate);
  return modulation ? norm_modulate(x, groups, modulation->scale, modulation->shift, eps) : at::Tensor();
}

at::Tensor norm_heads_by_aten(const at::Tensor& qkv, const std::vector<SequenceRows>& sequences,
                              const RotaryTable& rotary, double eps) {
  at::Tensor qk = at::layer_norm(qkv.slice(1, 0, 2), {qkv.size(3)}, {}, {}, eps);
  int64_t begin = 0;
  for (const SequenceRows& s : sequences) {
    at::Tensor image = qk.slice(0, begin + s.text, begin + s.text + s.image).transpose(0, 1);  // [2, N, H, head]
    image.copy_(rotate(image, rotary));
    begin += s.text + s.image;
  }
  return qk;
}

void DecoderKernels::run(const at::Tensor& x, const std::vector<cuda::Call>& calls) const {
  check_cuda_call(library_->run(calls.data(), narrow(static_cast<int64_t>(calls.size())), current_stream(x.device())));
}

at::Tensor DecoderKernels::modulate(at::Tensor& x, const std::optional<Gated>& product,
                                    const std::vector<RowGroup>& groups, const std::optional<Modulation>& modulation,
                                    double eps) const {
  std::vector<at::Tensor> tables;
  if (product) tables.push_back(product->gate);
  if (modulation) tables.insert(tables.end(), {modulation->scale, modulation->shift});
  const bool covered = cover(groups, x.size(0));
  const bool suits = !product || (host::takes_rows(product->y, {}) && product->y.sizes() == x.sizes());
  if (library_ == nullptr && covered && suits && host::takes_rows(x, tables)) {
    return host::modulate(x, product, groups, modulation, eps);
  }
  const bool fits = library_ != nullptr && is_readable(x) && (!product || is_readable(product->y)) &&
                    are_tables(tables) && covered &&
                    cuda::modulate_fits(x.size(1), static_cast<int64_t>(groups.size()));
  if (!fits) return modulate_by_aten(x, product, groups, modulation, eps);
  cuda::Call call{.kernel = cuda::Kernel::modulate, .modulate = {}};
  cuda::ModulateParams& p = call.modulate;
  const at::Tensor sum = product ? at::empty_like(x) : x;
  at::Tensor normed;
  p.x = bits_of(x);
  if (product) {
    p.y = bits_of(product->y);
    p.gate = bits_of(product->gate);
    p.sum = writable_bits_of(sum);
  }
  if (modulation) {
    normed = at::empty_like(x);
    p.scale = bits_of(modulation->scale);
    p.shift = bits_of(modulation->shift);
    p.normed = writable_bits_of(normed);
  }
  for (size_t i = 0; i < groups.size(); ++i) p.parts[i] = {narrow(groups[i].end), narrow(groups[i].modulation)};
  p.rows = narrow(x.size(0));
  p.dim = narrow(x.size(1));
  p.stride = narrow(tables[0].stride(0));
  p.eps = static_cast<float>(eps);
  run(x, {call});
  x = sum;
  return normed;
}

at::Tensor DecoderKernels::norm_heads(const at::Tensor& qkv, const std::vector<SequenceRows>& sequences,
                                      const RotaryTable& rotary, double eps) const {
  const int64_t head = qkv.size(3);
  const at::Tensor& cosines = rotary.cos;
  const at::Tensor& sines = rotary.sin;
  const bool fits = library_ != nullptr && is_readable(qkv) && cosines.scalar_type() == at::kFloat &&
                    cosines.is_contiguous() && sines.is_contiguous() && is_aligned(cosines) && is_aligned(sines) &&
                    cosines.numel() > 0 && cosines.size(1) == head &&
                    cuda::heads_fit(head, static_cast<int64_t>(sequences.size()));
  if (library_ == nullptr && host::takes_rows(qkv, {}) && host::takes_rotation(rotary, sequences, head)) {
    host::norm_heads(qkv, sequences, rotary, eps);
    return qkv.slice(1, 0, 2);
  }
  if (!fits) return norm_heads_by_aten(qkv, sequences, rotary, eps);
  cuda::Call call{.kernel = cuda::Kernel::heads, .heads = {}};
  cuda::HeadsParams& p = call.heads;
  p.qkv = writable_bits_of(qkv);
  p.cosines = cosines.const_data_ptr<float>();
  p.sines = sines.const_data_ptr<float>();
  for (size_t i = 0; i < sequences.size(); ++i) {
    p.sequences[i] = {narrow(sequences[i].text), narrow(sequences[i].image)};
  }
  p.rows = narrow(qkv.size(0));
  p.heads = narrow(qkv.size(2));
  p.head = narrow(head);
  p.eps = static_cast<float>(eps);
  run(qkv, {call});
  return qkv.slice(1, 0, 2);
}

bool DecoderKernels::takes_groups(const at::Tensor& x, int64_t groups) const {
  return library_ != nullptr && x.scalar_type() == at::kBFloat16 && x.numel() > 0 && x.size(0) <= cuda::kMostPictures &&
         cuda::group_norm_fits(x.size(1), groups);
}

cuda::Call DecoderKernels::group_call(const at::Tensor& x, const at::Tensor& statistics) {
  cuda::Call call{.kernel = cuda::Kernel::group_norm, .group_norm = {}};
  cuda::GroupNormParams& p = call.group_norm;
  p.x = bits_of(x);
  p.statistics = statistics.data_ptr<float>();
  p.pixels = x.size(2) * x.size(3);
  p.pictures = narrow(x.size(0));
  p.channels = narrow(x.size(1));
  p.groups = narrow(statistics.size(1));
  p.chunks = narrow(cuda::group_norm_chunks(p.pixels));
  return call;
}

at::Tensor DecoderKernels::group_norm(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                                      const at::Tensor& bias, double eps, bool silu) const {
  if (takes_groups(x, groups)) {
    const at::Tensor pixels = x.contiguous(at::MemoryFormat::ChannelsLast);
    return group_norm_by(group_statistics(pixels, groups, eps), pixels, weight, bias, silu);
  }
  at::Tensor normed = at::group_norm(x, groups, weight, bias, eps);
  return silu ? at::silu_(normed) : normed;
}

at::Tensor DecoderKernels::group_statistics(const at::Tensor& x, int64_t groups, double eps) const {
  if (takes_groups(x, groups)) {
    const at::Tensor pixels = x.contiguous(at::MemoryFormat::ChannelsLast);
    const at::TensorOptions options = x.options().dtype(at::kFloat).memory_format({});
    at::Tensor statistics = at::empty({x.size(0), groups, 2}, options);
    cuda::Call call = group_call(pixels, statistics);
    const at::Tensor partial = at::empty({x.size(0), call.group_norm.chunks, groups, 3}, options);
    call.kernel = cuda::Kernel::group_statistics;
    call.group_norm.partial = partial.data_ptr<float>();
    call.group_norm.eps = static_cast<float>(eps);
    run(pixels, {call});
    return statistics;
  }
  GroupStatistics all(*this, groups, eps);
  for (const at::Tensor& rows : x.split(band_rows(x, x.size(1)), 2)) all.add(rows);
  return all.joined();
}

at::Tensor DecoderKernels::group_norm_by(const at::Tensor& statistics, const at::Tensor& x, const at::Tensor& weight,
                                         const at::Tensor& bias, bool silu) const {
  const int64_t groups = statistics.size(1);
  if (takes_groups(x, groups)) {
    const at::Tensor pixels = x.contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor y = at::empty_like(pixels);
    cuda::Call call = group_call(pixels, statistics);
    cuda::GroupNormParams& p = call.group_norm;
    p.weight = bits_of(weight);
    p.bias = bits_of(bias);
    p.y = writable_bits_of(y);
    p.silu = silu ? 1 : 0;
    run(pixels, {call});
    return y;
  }
  const auto of_channels = [&](int64_t which) {  // [P, C, 1, 1]
    return statistics.select(2, which).repeat_interleave(x.size(1) / groups, 1).unsqueeze(2).unsqueeze(3);
  };
  const auto wide = [](const at::Tensor& values) { return values.to(at::kFloat).view({1, -1, 1, 1}); };
  at::Tensor normed = x.to(at::kFloat) - of_channels(0);
  normed.mul_(of_channels(1) * wide(weight)).add_(wide(bias));
  normed = normed.to(x.scalar_type());
  return silu ? at::silu_(normed) : normed;
}

int64_t DecoderKernels::band_rows(const at::Tensor& x, int64_t numbers_a_pixel) const {
  const auto row = static_cast<int64_t>(x.element_size()) * numbers_a_pixel * x.size(0) * x.size(3);
  if (row * x.size(2) <= band_bytes_) return x.size(2);
  return std::max<int64_t>(1, band_bytes_ / 4 / row);
}

// The bands are joined in double (Chan, Golub and LeVeque 1979).
void GroupStatistics::add(const at::Tensor& rows) {
  const int64_t numbers = rows.numel() / rows.size(0) / groups_;
  const auto more = static_cast<double>(numbers);
  at::Tensor variance, mean;
  if (kernels_.takes_groups(rows, groups_)) {
    const at::Tensor own = kernels_.group_statistics(rows, groups_, eps_).to(at::kDouble);
    mean = own.select(2, 0);
    variance = own.select(2, 1).square().reciprocal() - eps_;
  } else {
    std::tie(variance, mean) =
        at::var_mean(rows.to(at::kFloat).reshape({rows.size(0), groups_, -1}), {2}, /*correction=*/0);
    mean = mean.to(at::kDouble);
  }
  if (count_ == 0) {
    mean_ = at::zeros_like(mean);
    squares_ = at::zeros_like(mean);
  }
  const at::Tensor apart = mean - mean_;
  squares_ += variance.to(at::kDouble) * more + apart.square() * (count_ * more / (count_ + more));
  mean_ += apart * (more / (count_ + more));
  count_ += more;
}

at::Tensor GroupStatistics::joined() const {
  return at::stack({mean_, (squares_ / count_ + eps_).rsqrt()}, -1).to(at::kFloat);
}

}  // namespace glm
