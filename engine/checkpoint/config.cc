#include "engine/checkpoint/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/limits.h"
#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/config_defaults.h"
#include "engine/checkpoint/quantisation.h"
#include "engine/checkpoint/section.h"

namespace glm {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr int64_t kMaxPixels = 1 << 30;

Section read(const fs::path& file, const char* name) {
  return {file.string(), read_json(file), kDefaults, name};
}

PriorConfig prior_config(const Section& s) {
  const Section rope = s.section("rope_parameters");
  s.only("hidden_act", "silu");
  rope.only("rope_type", "default");
  PriorConfig c{.dim = s.number("hidden_size"),
                .inner_dim = s.number("intermediate_size"),
                .layers = s.number("num_hidden_layers", 1, 1024),
                .heads = s.number("num_attention_heads"),
                .kv_heads = s.number("num_key_value_heads"),
                .head_dim = 0,
                .vocab = s.number("vocab_size", 1, 1 << 24),
                .vision_vocab = s.number("vision_vocab_size"),
                .max_positions = s.number("max_position_embeddings", 1, 1 << 24),
                .norm_eps = s.real("rms_norm_eps", 0, 1),
                .attention_bias = s.flag("attention_bias"),
                .rope_theta = rope.real("rope_theta", 1, 1e12),
                .rotary_fraction = rope.real("partial_rotary_factor", 0, 1),
                .mrope_section = rope.numbers("mrope_section")};
  c.head_dim = s.has("head_dim") ? s.number("head_dim") : c.dim / c.heads;
  if (c.heads % c.kv_heads != 0) s.fail("num_key_value_heads", "a divisor of " + std::to_string(c.heads), c.kv_heads);
  // The ids that the head generates are looked up in the embedding again.
  if (c.vision_vocab > c.vocab) {
    s.fail("vision_vocab_size", "at most vocab_size (" + std::to_string(c.vocab) + ")", c.vision_vocab);
  }
  if (c.rotary_dim() < 2 || c.rotary_dim() % 2 != 0) {
    rope.fail("partial_rotary_factor", "an even part of head_dim (" + std::to_string(c.head_dim) + ")",
              c.rotary_fraction);
  }
  int64_t frequencies = 0;
  for (const int64_t n : c.mrope_section) frequencies += n;
  if (c.mrope_section.size() != 3 || frequencies != c.rotary_dim() / 2) {
    rope.fail("mrope_section", "three numbers with the sum " + std::to_string(c.rotary_dim() / 2), c.mrope_section);
  }
  return c;
}

GenerationConfig generation_config(const Section& model, const Section& text, const fs::path& file) {
  json content = is_present(file) ? read_json(file) : json::object();
  // transformers writes null for what was set to None before save_pretrained(), and takes it as off.
  const std::pair<const char*, json> offs[] = {{"temperature", 1.0}, {"top_p", 1.0}, {"top_k", 0}};
  for (const auto& [key, off] : offs) {
    if (content.is_object() && content.contains(key) && content[key].is_null()) content[key] = off;
  }
  const Section s(file.string(), content, kDefaults, "generation_config");
  const int64_t last_id = text.number("vocab_size", 1, 1 << 24) - 1;
  GenerationConfig c{.image_begin = model.number("image_start_token_id", 0, last_id),
                     .image_end = model.number("image_end_token_id", 0, last_id),
                     .image_token = model.number("image_token_id", 0, last_id),
                     .codebook = model.section("vq_config").number("num_embeddings"),
                     .eos = {},
                     .temperature = s.real("temperature", limits::kMinTemperature, limits::kMaxTemperature),
                     .top_p = s.real("top_p", 0, 1),
                     .top_k = s.number("top_k", 0, limits::kMaxTopK)};
  c.eos = {c.image_end};
  if (s.has("eos_token_id")) {
    c.eos = s.value("eos_token_id").is_array() ? s.numbers("eos_token_id") : std::vector{s.number("eos_token_id", 0)};
  }
  if (c.codebook > text.number("vision_vocab_size")) {
    model.fail("vq_config: num_embeddings", "at most vision_vocab_size", c.codebook);
  }
  return c;
}

VisionConfig vision_config(const Section& s) {
  s.only("hidden_act", "gelu");
  s.only("in_channels", 3);
  s.only("spatial_merge_size", 1);
  s.only("patch_size", 16);  // half of a token's 32 pixels, because references are halved first
  VisionConfig c{.dim = s.number("hidden_size"),
                 .inner_dim = s.number("intermediate_size"),
                 .layers = s.number("depth", 1, 1024),
                 .heads = s.number("num_heads"),
                 .patch = s.number("patch_size"),
                 .channels = s.number("in_channels"),
                 .positions = 0,
                 .norm_eps = s.real("layer_norm_eps", 0, 1),
                 .attention_bias = s.flag("attention_bias")};
  c.positions = s.number("image_size", c.patch) / c.patch;
  if (c.dim % c.heads != 0) s.fail("num_heads", "a divisor of hidden_size (" + std::to_string(c.dim) + ")", c.heads);
  return c;
}

CodebookConfig codebook_config(const Section& s, const VisionConfig& vision) {
  const CodebookConfig c{
      .entries = s.number("num_embeddings"), .dim = s.number("embed_dim"), .features = s.number("latent_channels")};
  if (c.features != vision.dim) {
    s.fail("latent_channels", "vision_config's hidden_size (" + std::to_string(vision.dim) + ")", c.features);
  }
  return c;
}

// Upstream: ImageProcessingMixin.get_image_processor_dict. Today's save_pretrained writes one file for all parts of a
// processor.
Section preprocessor_section(const fs::path& folder) {
  const fs::path file = folder / "processor_config.json";
  const char* key = "image_processor";
  const json all = is_present(file) ? read_json(file) : json();
  if (!all.is_object() || !all.contains(key)) return read(folder / "preprocessor_config.json", "preprocessor");
  return {file.string() + ": " + key, all[key], kDefaults, "preprocessor"};
}

PreprocessorConfig preprocessor_config(const Section& s, const VisionConfig& vision) {
  for (const char* key : {"do_resize", "do_rescale", "do_normalize", "do_convert_rgb"}) s.only(key, true);
  for (const char* key : {"temporal_patch_size", "merge_size"}) s.only(key, 1);
  s.only("resample", 3);  // bicubic
  s.only("patch_size", vision.patch);
  const Section size = s.section("size");
  PreprocessorConfig c{.min_pixels = s.has("min_pixels") ? s.number("min_pixels", 1, kMaxPixels)
                                                         : size.number("shortest_edge", 1, kMaxPixels),
                       .max_pixels = s.has("max_pixels") ? s.number("max_pixels", 1, kMaxPixels)
                                                         : size.number("longest_edge", 1, kMaxPixels),
                       .rescale = s.real("rescale_factor", 1e-6, 1e6),
                       .mean = s.reals("image_mean", 3),
                       .std = s.reals("image_std", 3)};
  for (const double std : c.std) {
    if (std == 0) s.fail("image_std", "numbers other than 0", c.std);
  }
  return c;
}

GlyphConfig glyph_config(const Section& s) {
  s.only("feed_forward_proj", "gated-gelu");
  GlyphConfig c{.dim = s.number("d_model"),
                .inner_dim = s.number("d_ff"),
                .heads = s.number("num_heads"),
                .head_dim = s.number("d_kv"),
                .layers = s.number("num_layers", 1, 1024),
                .vocab = s.number("vocab_size", 259),  // 256 bytes and three special ids
                .buckets = s.number("relative_attention_num_buckets", 4),
                .max_distance = s.number("relative_attention_max_distance"),
                .norm_eps = s.real("layer_norm_epsilon", 0, 1)};
  if (c.max_distance <= c.buckets / 4)
    s.fail("relative_attention_max_distance", "more than a quarter of the buckets", c.max_distance);
  return c;
}

DitConfig dit_config(const Section& s, const GlyphConfig& glyph, const GenerationConfig& generation) {
  DitConfig c{.layers = s.number("num_layers", 1, 1024),
              .heads = s.number("num_attention_heads"),
              .head_dim = s.number("attention_head_dim"),
              .in_channels = s.number("in_channels"),
              .out_channels = s.number("out_channels"),
              .patch = s.number("patch_size", 1, 16),
              .text_dim = s.number("text_embed_dim"),
              .time_dim = s.number("time_embed_dim"),
              .condition_dim = s.number("condition_dim"),
              .codebook = s.number("prior_vq_quantizer_codebook_size")};
  if (c.head_dim % 4 != 0) s.fail("attention_head_dim", "a multiple of 4", c.head_dim);
  if (c.out_channels != c.in_channels)
    s.fail("out_channels", "in_channels (" + std::to_string(c.in_channels) + ")", c.out_channels);
  if (c.text_dim != glyph.dim)
    s.fail("text_embed_dim", "the text encoder's d_model (" + std::to_string(glyph.dim) + ")", c.text_dim);
  if (c.codebook != generation.codebook) {
    s.fail("prior_vq_quantizer_codebook_size", "the prior's codebook (" + std::to_string(generation.codebook) + ")",
           c.codebook);
  }
  return c;
}

VaeConfig vae_config(const Section& s, const DitConfig& dit) {
  s.only("act_fn", "silu");
  s.only("in_channels", 3);
  s.only("out_channels", 3);
  VaeConfig c{.channels = s.numbers("block_out_channels"),
              .layers_per_block = s.number("layers_per_block", 1, 64),
              .latent_channels = s.number("latent_channels"),
              .image_channels = s.number("out_channels"),
              .groups = s.number("norm_num_groups"),
              .sample_size = s.number("sample_size"),
              .mid_attention = s.flag("mid_block_add_attention"),
              .quant_conv = s.flag("use_quant_conv"),
              .post_quant_conv = s.flag("use_post_quant_conv"),
              .latents_mean = {},
              .latents_std = {}};
  c.latents_mean = s.reals("latents_mean", c.latent_channels);
  c.latents_std = s.reals("latents_std", c.latent_channels);
  s.only("up_block_types", json(std::vector<std::string>(c.channels.size(), "UpDecoderBlock2D")));
  s.only("down_block_types", json(std::vector<std::string>(c.channels.size(), "DownEncoderBlock2D")));
  for (const int64_t n : c.channels) {
    if (n < 1 || n % c.groups != 0)
      s.fail("block_out_channels", "multiples of norm_num_groups (" + std::to_string(c.groups) + ")", c.channels);
  }
  if (c.latent_channels != dit.in_channels) {
    s.fail("latent_channels", "the transformer's in_channels (" + std::to_string(dit.in_channels) + ")",
           c.latent_channels);
  }
  // The prompt's grid counts tokens of 32 pixels, and a token is two patches on each axis.
  if (c.pixels_per_latent() * dit.patch != 16) {
    s.fail("block_out_channels", "as many blocks as make a patch of the transformer cover 16 pixels", c.channels);
  }
  return c;
}

ScheduleConfig schedule_config(const Section& s) {
  s.only("use_dynamic_shifting", true);
  s.only("time_shift_type", "linear");
  s.only("shift_terminal", nullptr);
  for (const char* key :
       {"invert_sigmas", "use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "stochastic_sampling"}) {
    s.only(key, false);
  }
  return {.train_timesteps = s.number("num_train_timesteps", 2),
          .base_image_length = s.number("base_image_seq_len"),
          .base_shift = s.real("base_shift", 0, 1e6),
          .max_shift = s.real("max_shift", 0, 1e6)};
}

// Applies glm_image.json to the defaults of size, steps and guidance, and to those of sampling.
PictureDefaults picture_defaults(const fs::path& folder, const VaeConfig& vae, GenerationConfig* generation) {
  const fs::path file = folder / "glm_image.json";
  const json content = is_present(file) ? read_json(file) : json::object();
  const Section s(file.string(), content, kDefaults, "picture");
  for (const auto& item : content.items()) {
    static const std::vector<std::string> known = {"width",       "height", "steps", "guidance",
                                                   "temperature", "top_p",  "top_k"};
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) {
      s.fail(item.key(), "one of width, height, steps, guidance, temperature, top_p, top_k", item.key());
    }
  }
  if (s.has("temperature"))
    generation->temperature = s.real("temperature", limits::kMinTemperature, limits::kMaxTemperature);
  if (s.has("top_p")) generation->top_p = s.real("top_p", 0, 1);
  if (s.has("top_k")) generation->top_k = s.number("top_k", 0, limits::kMaxTopK);
  return {.width = s.has("width") ? s.number("width", limits::kMinSide, limits::kMaxSide) : vae.sample_size,
          .height = s.has("height") ? s.number("height", limits::kMinSide, limits::kMaxSide) : vae.sample_size,
          .steps = s.number("steps", 1, limits::kMaxSteps),
          .guidance = s.real("guidance", 0, limits::kMaxGuidance)};
}

std::string model_dtype(const Section& s) {
  const json v = s.has("torch_dtype") && !s.has("dtype") ? s.value("torch_dtype") : s.value("dtype");
  for (const char* known : {"float32", "bfloat16", "float16"}) {
    if (v == known) return known;
  }
  s.fail("dtype", "float32, bfloat16 or float16", v);
}

}  // namespace

ModelConfig::ModelConfig(const fs::path& folder) {
  check_checkpoint(folder);
  const Section model = read(folder / "vision_language_encoder" / "config.json", "vision_language_encoder");
  model.only("tie_word_embeddings", false);
  const Section text = model.section("text_config");
  dtype = model_dtype(model);
  prior = prior_config(text);
  const fs::path sampling = folder / "vision_language_encoder" / "generation_config.json";
  generation = generation_config(model, text, sampling);
  vision = vision_config(model.section("vision_config"));
  codebook = codebook_config(model.section("vq_config"), vision);
  preprocessor = preprocessor_config(preprocessor_section(folder / "processor"), vision);
  glyph = glyph_config(read(folder / "text_encoder" / "config.json", "text_encoder"));
  dit = dit_config(read(folder / "transformer" / "config.json", "transformer"), glyph, generation);
  vae = vae_config(read(folder / "vae" / "config.json", "vae"), dit);
  schedule = schedule_config(read(folder / "scheduler" / "scheduler_config.json", "scheduler"));
  picture = picture_defaults(folder, vae, &generation);
  for (const char* part : kComponentFolders) {
    const std::optional<Quantisation> quantisation = Quantisation::of(folder / part);
    if (quantisation) quantised += (quantised.empty() ? "" : "; ") + std::string(part) + ": " + quantisation->text();
  }
  const fs::path own = folder / "glm_image.json";
  const json given = is_present(own) ? read_json(own) : json::object();
  if (!is_present(sampling) && !(given.contains("temperature") && given.contains("top_p") && given.contains("top_k"))) {
    warnings.push_back(
        sampling.string() + ": no such file, so tokens are drawn by transformers' defaults (temperature " +
        number_text(generation.temperature) + ", top-p " + number_text(generation.top_p) + ", top-k " +
        std::to_string(generation.top_k) + "); the checkpoint's own give better pictures, so download it");
  }
}

}  // namespace glm
