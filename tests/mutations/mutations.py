"""Plausible mistakes, as edits of the C++: name, file, what stands there (exactly once), what a hurried hand would write.

The first part are the mistakes of weights_tools/reference's ancestor; the second part are our own.
"""

A, D, P, G, V, F = ("engine/components/prior_transformer.cc", "engine/components/dit.cc", "engine/run/prior.cc", "engine/components/glyph_encoder.cc",
                    "engine/components/vae.cc", "engine/components/flow_schedule.cc")
R, ROT, S, RUN = "engine/components/layers/rope.cc", "kernels/rotary.cc", "kernels/sampling.cc", "engine/run/steps_stage.cc"
W, Q, REF, L = "engine/components/vision_tower.cc", "engine/components/image_tokenizer.cc", "engine/run/references.cc", "tokenizer/prompt_layout.cc"
DK, CONV = "kernels/decoder_kernels.cc", "kernels/convolution.cc"
QUANT, LAYOUT, CODES = "engine/checkpoint/quantisation.cc", "engine/checkpoint/coded_layout.cc", "kernels/host/code_bodies.h"

MUTATIONS = [
    # --- the image decoder
    ("dit: no rope", DK, "image.copy_(rotate(image, rotary));", "image.copy_(image.clone());"),
    ("dit: rope rows and columns swapped", R, "at::cat({by_row.expand({rows, columns, -1}), by_column.expand({rows, columns, -1})}, -1)",
     "at::cat({by_column.expand({rows, columns, -1}), by_row.expand({rows, columns, -1})}, -1)"),
    ("rope: interleaved pairs", ROT, "at::cat({-rotated.slice(-1, rotary / 2), rotated.slice(-1, 0, rotary / 2)}, -1)",
     "at::stack({-rotated.slice(-1, 1, std::nullopt, 2), rotated.slice(-1, 0, std::nullopt, 2)}, -1).flatten(-2)"),
    ("adaln: shift and scale of attention swapped", D, "table(kScaleAttention), table(kShiftAttention)", "table(kShiftAttention), table(kScaleAttention)"),
    ("adaln: text and image swapped", D, "layout.groups.push_back({row, row + text, 1});\n    layout.groups.push_back({row + text, row + text + image, 0});",
     "layout.groups.push_back({row, row + text, 0});\n    layout.groups.push_back({row + text, row + text + image, 1});"),
    ("adaln: gates of attention and MLP swapped", D, "layout, layer), table(kGateAttention)}", "layout, layer), table(kGateMlp)}"),
    ("norm_out: shift before scale", D, "m[0], m[1], kEps)", "m[1], m[0], kEps)"),
    ("patch order (y, x, C)", D, ".permute({1, 3, 0, 2, 4})", ".permute({1, 3, 2, 4, 0})"),
    ("unpatch order (y, x, C)", D, ".reshape({-1, height, width, config_.out_channels, p, p})\n      .permute({0, 3, 1, 4, 2, 5})",
     ".reshape({-1, height, width, p, p, config_.out_channels})\n      .permute({0, 5, 1, 3, 2, 4})"),
    ("glyph projector: tanh GELU", D, "FeedForward::Activation::gelu_erf", "FeedForward::Activation::gelu_tanh"),
    ("feed-forward: erf GELU", D, "{c.dim(), 4 * c.dim(), c.dim()}, FeedForward::Activation::gelu_tanh", "{c.dim(), 4 * c.dim(), c.dim()}, FeedForward::Activation::gelu_erf"),
    ("no norm of q and k", DK, "at::layer_norm(qkv.slice(1, 0, 2), {head}, {}, {}, eps)", "qkv.slice(1, 0, 2).clone()"),
    ("layer norm: eps 1e-6", D, "constexpr double kEps = 1e-5;", "constexpr double kEps = 1e-6;"),
    ("group norm: eps 1e-5", V, "constexpr double kEps = 1e-6;", "constexpr double kEps = 1e-5;"),
    ("timestep t instead of t - 1", RUN, "schedule.timesteps[static_cast<size_t>(k)] - 1.0", "schedule.timesteps[static_cast<size_t>(k)] - 0.0"),
    ("target size (width, height)", D, "{0.0, 0.0, static_cast<double>(geometry.height), static_cast<double>(geometry.width)}",
     "{0.0, 0.0, static_cast<double>(geometry.width), static_cast<double>(geometry.height)}"),
    ("crop after size", D, "{0.0, 0.0, static_cast<double>(geometry.height), static_cast<double>(geometry.width)}",
     "{static_cast<double>(geometry.height), static_cast<double>(geometry.width), 0.0, 0.0}"),
    ("prior dropped after its projector", D, ".prior = prior_projector_.forward(tokens)}", ".prior = drop ? tokens : prior_projector_.forward(tokens)}"),
    ("upsampling transposed", P, "ids.view({1, grid.height, grid.width})", "ids.view({1, grid.width, grid.height})"),
    ("mu 5 % off", F, "c.base_image_length)) * c.max_shift", "c.base_image_length)) * 1.05 * c.max_shift"),
    # --- the prior
    ("prior: no rope", A, "rotate(parts[0], state.rotary.rows(begin, end))", "parts[0].clone()"),
    ("prior: 1-D positions in decode", R, "at::stack({at::zeros_like(rows), rows, columns})", "at::stack({rows * grid.width + columns, rows * grid.width + columns, rows * grid.width + columns})"),
    ("prior: h and w swapped in decode", R, "at::stack({at::zeros_like(rows), rows, columns})", "at::stack({at::zeros_like(rows), columns, rows})"),
    ("prior: no norm after attention", A, "post_attention_norm.forward(attention.forward(input_norm.forward(x), state, layer))", "attention.forward(input_norm.forward(x), state, layer)"),
    ("prior: the two post-norms swapped", A, 'post_attention_norm(w / "post_self_attn_layernorm", c.dim, c.norm_eps)', 'post_attention_norm(w / "post_mlp_layernorm", c.dim, c.norm_eps)'),
    ("prior: gate and up swapped", A, "halves[1] * at::silu(halves[0])", "halves[0] * at::silu(halves[1])"),
    ("prior: key bias missing", "engine/components/layers/linear.cc", "if (bias == Bias::yes) biases.push_back(part.scope.tensor(\"bias\", {part.out}));",
     "if (bias == Bias::yes) biases.push_back(part.scope.tensor(\"bias\", {part.out}) * (biases.size() == 1 ? 0 : 1));"),
    ("attention: head j reads key head j mod Hkv", "kernels/attention.cc", " = k.transpose(1, 2);\n  const at::Tensor values = v.transpose(1, 2);",
     " = k.transpose(1, 2).repeat({1, q.size(2) / k.size(2), 1, 1});\n"
     "  const at::Tensor values = v.transpose(1, 2).repeat({1, q.size(2) / k.size(2), 1, 1});"),
    ("look-ahead: one token too many is taken", "engine/run/look_ahead.cc", "  int64_t count = 1;\n  while", "  int64_t count = std::min<int64_t>(2, static_cast<int64_t>(fed.size()));\n  while"),
    ("look-ahead: numbers of a wrong draw are drawn again", "engine/run/position_numbers.h", "for (int64_t i = 0; i < count && !drawn_.empty(); ++i) drawn_.pop_front();", "drawn_.clear();"),
    ("look-ahead: keys of a later row are hidden", "engine/run/host_decoder.cc", "const Place& place = places_[static_cast<size_t>(r)];\n      const int64_t heads", "const Place& place = places_[0];\n      const int64_t heads"),
    # --- the glyph encoder
    ("t5: scaled by 1/sqrt(d)", G, "{.scale = 1.0, .causal = false, .bias = bias}", "{.scale = 1.0 / std::sqrt(static_cast<double>(head_dim_)), .causal = false, .bias = bias}"),
    ("t5: no relative bias", G, "at::where(visible, position_bias(ids.size(1)),", "at::where(visible, position_bias(ids.size(1)) * 0,"),
    ("t5: erf GELU", G, 'at::gelu(gate_up[0], "tanh")', 'at::gelu(gate_up[0], "none")'),
    # --- the VAE
    ("vae: second convolution 10 % off", V, "h = convolve_normed(norm2_, conv2_, h);", "h = 0.9 * convolve_normed(norm2_, conv2_, h);"),
    # --- references
    ("vision: corners of the position table aligned", W, "kBorder, /*align_corners=*/false", "kBorder, /*align_corners=*/true"),
    ("vision: tanh GELU", W, 'at::gelu(up_.forward(norm2_.forward(a)), "none")', 'at::gelu(up_.forward(norm2_.forward(a)), "tanh")'),
    ("vision: patch order (y, x, C)", W, "convolve_patches(own, patch_weight_, patch_bias_)",
     "convolve_patches(own, patch_weight_.view({config_.dim, config_.patch, config_.patch, config_.channels}).permute({0, 3, 1, 2}), patch_bias_)"),
    ("vae: padded above and on the left", CONV, "at::constant_pad_nd(x, {0, 1, 0, 1})", "at::constant_pad_nd(x, {1, 0, 1, 0})"),
    # --- our own
    ("vision: rows and columns of positions swapped", W, "at::stack({at_column, at_row}, -1)", "at::stack({at_row, at_column}, -1)"),
    ("codebook: entries not normalised", Q, "entries_(normalize((w / \"quantize.embedding\").tensor(\"weight\", {c.entries, c.dim})))",
     "entries_((w / \"quantize.embedding\").tensor(\"weight\", {c.entries, c.dim}))"),
    ("vae: variances for means", V, ".chunk(2, 1)[0]", ".chunk(2, 1)[1]"),
    ("vae: means not normalised", V, "(mean.to(mean_.device(), mean_.scalar_type()) - mean_) / std_", "mean.to(mean_.device(), mean_.scalar_type())"),
    ("references: seen without the prompt too", RUN, 'all.push_back(dit.branch(empty_, ids, /*drop=*/true, c_.tap / "step0.uncond"));',
     '{ all.push_back(dit.branch(empty_, ids, /*drop=*/true, c_.tap / "step0.uncond")); all[1].conditions = all[0].conditions; }'),
    ("references: keys before the rotation", D, "s.written->layers.push_back({own.k.clone(), own.v.clone()})", "s.written->layers.push_back({own.v.clone(), own.v.clone()})"),
    ("references: sequences averaged evenly", "kernels/attention.cc", "at::softmax(at::stack(logs), 0)", "at::softmax(at::stack(logs) * 0, 0)"),
    ("references: at the first timestep of the picture", D, "canvas, /*timestep=*/0, {tap}", "canvas, /*timestep=*/999, {tap}"),
    ("references: positions go on by the cell count", R, "next += std::max(sources[i].height, sources[i].width);", "next += sources[i].cells();"),
    ("references: a preview grid is drawn first", L, "sources.empty() ? preview_grid(target) : Grid{0, 0}", "preview_grid(target)"),
    ("references: a kept one is another's", REF, "same(r->vision, vision) && same(r->pixels, pixels)", "r->vision.width == vision.width && r->pixels.width == pixels.width"),
    ("cache: one position late", A, "state.cache.write(layer, begin, qk", "state.cache.write(layer, begin == 0 ? 0 : begin - 1, qk"),
    ("positions: table shifted by one", A, "state.rotary.rows(begin, end)", "state.rotary.rows(begin == 0 ? 0 : begin - 1, begin == 0 ? end : end - 1)"),
    ("positions: large grid starts at the cell count", R, "start += std::max(grid.height, grid.width);", "start += grid.height * grid.width;"),
    ("sampling: the higher of equal ids is dropped first", S, "scores.sort(/*stable=*/true, /*dim=*/-1, /*descending=*/false)",
     "scores.flip(-1).sort(/*stable=*/true, /*dim=*/-1, /*descending=*/false)"),
    ("sampling: illegal ids masked before top-p", S, "const at::Tensor scores = process_logits(logits, options);\n  at::Tensor p",
     "at::Tensor legal_only = logits.to(at::kFloat).clone();\n  legal_only.slice(-1, legal).fill_(kRemoved);\n  const at::Tensor scores = process_logits(legal_only, options);\n  at::Tensor p"),
    ("sampling: temperature after top-p", S, "logits.to(at::kFloat) / options.temperature", "logits.to(at::kFloat) / 1.0"),
    ("prior: the preview grid taken as the picture", P, "generated.slice(1, first, first + cells)", "generated.slice(1, 0, cells)"),
    ("grids: large before preview", P, "{request.preview, request.target})", "{request.target, request.preview})"),
    ("picture: cropped on the left", "engine/run/pixels_stage.cc", ".slice(2, 0, s.width)", ".slice(2, pixels.size(3) - s.width)"),
    ("pictures: seeds swapped", "engine/run/picture_run.cc", ".seed = request.seeds[index]", ".seed = request.seeds[request.seeds.size() - 1 - index]"),
    ("guidance: on the wrong branch", RUN, "uncond.to(at::kFloat) + c_.settings.guidance", "cond.to(at::kFloat) + c_.settings.guidance"),
    ("noise: bf16 as rounded fp32", RUN, ".normal(shape, m.dtype)", ".normal(shape, at::kFloat).to(m.dtype)"),
    ("glyphs: parity pad left out", "tokenizer/glyph_text.cc", "if (texts.size() % 2 == 0)", "if (texts.empty())"),
    ("pixels: truncated instead of rounded", V, "(unit * 255).round()", "(unit * 255).floor()"),
    ("euler: the sigma of this step twice", F, "sigmas[i + 1] - sigmas[i]", "sigmas[i] - sigmas[i + 1]"),
    # --- quantised checkpoints
    ("auto-round: zeros as they are stored", LAYOUT, ".add(1);  // the file has them minus 1", ".add(0);"),
    ("auto-round: scales without a sign", LAYOUT, "w.scales = scales.t().contiguous();", "w.scales = scales.abs().t().contiguous();"),
    ("sdnq: two bits of the eighth code swapped", LAYOUT, "bits(4, 7, 1, 3) + bits(3, 7, 1, 4)", "bits(3, 7, 1, 3) + bits(4, 7, 1, 4)"),
    ("sdnq: every weight in the first dtype", QUANT, "found = other;\n      continue;", "found = dtype;\n      continue;"),
    ("codes: the product not rounded to fp16", CODES, "sum_in_fp16 || c.formula == Codes::Formula::fp16_product", "sum_in_fp16"),
    ("codes: the sum rounded twice", CODES, "multiply_add(levels, splat(scale), splat(zero))", "levels * splat(scale) + splat(zero)"),
    # --- a checkpoint's codes on a GPU, whose kernels' bodies run on the host
    ("gpu: sdnq's groups all as wide as autoround's", "kernels/cuda/weight_queue.cuh", "(column_ >> group_bits_)", "(column_ >> 7)"),
    ("gpu: autoround: zeros of row g in row g + 8", "kernels/cuda/formats/autoround.cuh", "s.less[i % 2]", "s.less[0]"),
    ("gpu: parts of a layer write over each other", "kernels/cuda/linear.cuh", "* p.sums_stride + tile", "* p.weight.rows + tile"),
    ("gpu: a group that is split takes the next group's scale", "kernels/packers/codes.cc", ".mul_(group).floor_divide_(w.group)", ".remainder_(groups_of(w))"),
]
