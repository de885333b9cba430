#include "kernels/decoder_kernels.h"

#include <ATen/ATen.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "glm/error.h"

namespace glm {
namespace {

using cuda::bf16_bits;

const bf16_bits* bits_of(const at::Tensor& tensor) {
  return static_cast<const bf16_bits*>(tensor.const_data_ptr());
}
bf16_bits* writable_bits_of(const at::Tensor& tensor) {
  return static_cast<bf16_bits*>(tensor.mutable_data_ptr());
}

int narrow(int64_t value) {
  return static_cast<int>(value);
}

bool is_bf16(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16;
}

// Whether the rows of these tables lie one behind the other at the same distances, as the kernel reads them.
bool are_tables(const std::vector<at::Tensor>& tables) {
  for (const at::Tensor& table : tables) {
    if (table.stride(1) != 1 || table.stride(0) != tables[0].stride(0) || table.stride(0) % cuda::kVector != 0)
      return false;
  }
  return true;
}

}  // namespace

void DecoderKernels::run(const at::Tensor& x, const std::vector<cuda::Call>& calls) const {
  const at::Device device = x.device();
  void* const stream =  // tests run the kernels' bodies on the host
      device.is_cpu() ? nullptr : c10::impl::VirtualGuardImpl(device.type()).getStream(device).native_handle();
  if (const char* wrong = library_->run(calls.data(), narrow(static_cast<int64_t>(calls.size())), stream)) {
    throw Error(ErrorCode::device, std::string("our CUDA kernels: ") + wrong);
  }
}

at::Tensor DecoderKernels::modulate(at::Tensor& x, const std::optional<Gated>& product,
                                    const std::vector<RowGroup>& groups, const std::optional<Modulation>& modulation,
                                    double eps) const {
  std::vector<at::Tensor> tables;
  if (product) tables.push_back(product->gate);
  if (modulation) tables.insert(tables.end(), {modulation->scale, modulation->shift});
  const bool fits = library_ != nullptr && is_bf16(x) && are_tables(tables) &&
                    cuda::modulate_fits(x.size(1), static_cast<int64_t>(groups.size()));
  if (!fits) {
    if (product) x = add_gated(x, product->y, groups, product->gate);
    return modulation ? norm_modulate(x, groups, modulation->scale, modulation->shift, eps) : at::Tensor();
  }
  cuda::Call call{.kernel = cuda::Kernel::modulate, .modulate = {}};
  cuda::ModulateParams& p = call.modulate;
  const at::Tensor from = x.contiguous();
  const at::Tensor y = product ? product->y.contiguous() : at::Tensor();
  const at::Tensor sum = product ? at::empty_like(from) : from;
  at::Tensor normed;
  p.x = bits_of(from);
  if (product) {
    p.y = bits_of(y);
    p.gate = bits_of(product->gate);
    p.sum = writable_bits_of(sum);
  }
  if (modulation) {
    normed = at::empty_like(from);
    p.scale = bits_of(modulation->scale);
    p.shift = bits_of(modulation->shift);
    p.normed = writable_bits_of(normed);
  }
  for (const RowGroup& group : groups) p.parts[p.part_count++] = {narrow(group.end), narrow(group.modulation)};
  p.rows = narrow(from.size(0));
  p.dim = narrow(from.size(1));
  p.stride = narrow(tables[0].stride(0));
  p.eps = static_cast<float>(eps);
  run(from, {call});
  x = sum;
  return normed;
}

void DecoderKernels::norm_heads(const at::Tensor& qkv, const std::vector<SequenceRows>& sequences,
                                const RotaryTable& rotary, double eps) const {
  const int64_t head = qkv.size(3);
  if (library_ == nullptr || !is_bf16(qkv) || !qkv.is_contiguous() || rotary.cos.scalar_type() != at::kFloat ||
      rotary.cos.size(1) != head || !cuda::heads_fit(head, static_cast<int64_t>(sequences.size()))) {
    at::Tensor qk = qkv.slice(1, 0, 2);
    qk.copy_(at::layer_norm(qk, {head}, {}, {}, eps));
    int64_t begin = 0;
    for (const SequenceRows& s : sequences) {
      at::Tensor image = qk.slice(0, begin + s.text, begin + s.text + s.image).transpose(0, 1);  // [2, N, H, head]
      image.copy_(rotate(image, rotary));
      begin += s.text + s.image;
    }
    return;
  }
  cuda::Call call{.kernel = cuda::Kernel::heads, .heads = {}};
  cuda::HeadsParams& p = call.heads;
  const at::Tensor cosines = rotary.cos.contiguous();
  const at::Tensor sines = rotary.sin.contiguous();
  p.qkv = writable_bits_of(qkv);
  p.cosines = cosines.const_data_ptr<float>();
  p.sines = sines.const_data_ptr<float>();
  for (const SequenceRows& s : sequences) p.sequences[p.sequence_count++] = {narrow(s.text), narrow(s.image)};
  p.rows = narrow(qkv.size(0));
  p.heads = narrow(qkv.size(2));
  p.head = narrow(head);
  p.eps = static_cast<float>(eps);
  run(qkv, {call});
}

at::Tensor DecoderKernels::group_norm(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                                      const at::Tensor& bias, double eps, bool silu) const {
  const int64_t channels = x.size(1);
  if (library_ == nullptr || !is_bf16(x) || x.dim() != 4 || !cuda::group_norm_fits(channels, groups)) {
    at::Tensor normed = at::group_norm(x, groups, weight, bias, eps);
    return silu ? at::silu_(normed) : normed;
  }
  const at::Tensor pixels = x.contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor y = at::empty_like(pixels);
  cuda::Call call{.kernel = cuda::Kernel::group_statistics, .group_norm = {}};
  cuda::GroupNormParams& p = call.group_norm;
  p.pixels = x.size(2) * x.size(3);
  p.pictures = narrow(x.size(0));
  p.channels = narrow(channels);
  p.groups = narrow(groups);
  p.chunks = narrow(cuda::group_norm_chunks(p.pixels));
  const auto options = x.options().dtype(at::kFloat);
  const at::Tensor partial = at::empty({x.size(0), p.chunks, groups, 3}, options);
  const at::Tensor statistics = at::empty({x.size(0), groups, 2}, options);
  p.x = bits_of(pixels);
  p.weight = bits_of(weight);
  p.bias = bits_of(bias);
  p.y = writable_bits_of(y);
  p.partial = partial.data_ptr<float>();
  p.statistics = statistics.data_ptr<float>();
  p.silu = silu ? 1 : 0;
  p.eps = static_cast<float>(eps);
  cuda::Call norm = call;
  norm.kernel = cuda::Kernel::group_norm;
  run(pixels, {call, norm});
  return y;
}

}  // namespace glm
