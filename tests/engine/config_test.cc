// The json files of a checkpoint: what upstream's classes would read, and a refusal that names file and key of all
// else.
#include "tests/engine/config_files.h"

namespace glm {
namespace {

TEST_F(Config, ReadsTheSmallCheckpoint) {
  const ModelConfig c = read();
  EXPECT_EQ(c.prior.head_dim, 32);
  EXPECT_EQ(c.prior.rotary_dim(), 16);
  EXPECT_EQ(c.generation.image_end, 257);
  EXPECT_EQ(c.generation.eos, std::vector<int64_t>{257});
  EXPECT_EQ(c.generation.temperature, 0.9);
  EXPECT_EQ(c.vae.pixels_per_latent(), 8);
  EXPECT_EQ(c.picture.width, 1024);
  EXPECT_EQ(c.picture.steps, 50);
  EXPECT_EQ(c.dtype, "float32");
}

TEST_F(Config, RefusesWhatIsNoCheckpoint) {
  EXPECT_TRUE(
      refused(ErrorCode::model, {(folder_ / "no").string(), "no such folder"}, [&] { ModelConfig(folder_ / "no"); }));
  EXPECT_TRUE(refused(ErrorCode::model,
                      {path(kIndex).string(), "a file", "did you mean " + folder_.path().string() + "?"},
                      [&] { ModelConfig{path(kIndex)}; }));
  EXPECT_TRUE(refused(ErrorCode::model, {path("vae").string(), kIndex}, [&] { ModelConfig{path("vae")}; }));
}

TEST_F(Config, RefusesAnotherPipeline) {
  write(kIndex, {{"_class_name", "FluxPipeline"}});
  EXPECT_TRUE(refuses(kIndex, {"expected a checkpoint of GlmImagePipeline", "found one of FluxPipeline"}));
  for (const json& content : {json::object(), json::array(), json(), json("GlmImagePipeline"), json{{"_class_name", 1}},
                              json{{"_class_name", nullptr}}}) {
    write(kIndex, content);
    EXPECT_TRUE(refuses(kIndex, {"expected a checkpoint of GlmImagePipeline", "another kind"})) << content;
  }
}

TEST_F(Config, NamesAMissingOrBrokenFile) {
  for (const char* name : {kPrior, kPixels, kGlyph, kDit, kVae, kSchedule}) {
    fs::remove(path(name));
    EXPECT_TRUE(refuses(name, {"no such file"}));
    write(name, good_[name]);
  }
  for (const char* name : {kPrior, kGeneration, kPixels, kGlyph, kDit, kVae, kSchedule, kPicture}) {
    write_bytes(path(name), "");
    EXPECT_TRUE(refuses(name, {"expected JSON, found an empty file"}));
    write_bytes(path(name), "version https://git-lfs.github.com/spec/v1\noid sha256:4f\nsize 7\n");
    EXPECT_TRUE(refuses(name, {"a Git LFS pointer", "git lfs pull"}));
    write_bytes(path(name), "<!DOCTYPE html><title>Sign in</title>");
    EXPECT_TRUE(refuses(name, {"a web page"}));
    write_bytes(path(name), "Access to model x is restricted.\n");
    EXPECT_TRUE(refuses(name, {"a text that begins with \"Access to model"}));
    write_bytes(path(name), R"({"error": "Invalid username or password."})");
    EXPECT_TRUE(refuses(name, {"a server's error", "Invalid username"}));
    write(name, json::array());
    EXPECT_TRUE(refuses(name, {"expected an object", "found []"}));
    write_bytes(path(name), R"({"a": NaN})");
    EXPECT_TRUE(refuses(name, {"not valid JSON"})) << "Python writes NaN, JSON has none";
    write_bytes(path(name), R"({"a": 1, "a": 2})");
    EXPECT_TRUE(refuses(name, {"\"a\"", "twice"}));
    write(name, good_.contains(name) ? good_[name] : json::object());
  }
  read();
}

TEST_F(Config, ALinkThatLeadsNowhereIsNoAbsentFile) {
  for (const char* name : {kGeneration, kPicture}) {
    fs::remove(path(name));
    fs::create_symlink("blob", path(name));
    EXPECT_TRUE(refuses(name, {"expected a file, found a link that leads to none"}));
    fs::remove(path(name));
  }
  read();
  fs::remove(path(kIndex));
  fs::create_symlink("model_index.json", path(kIndex));
  EXPECT_TRUE(refuses(kIndex, {"expected a file, found a link that leads to none"})) << "a link to itself";
}

TEST_F(Config, AbsentKeysMeanTheClassDefaults) {
  const ModelConfig glyph = without(kGlyph, {"vocab_size", "d_kv", "d_ff", "num_layers", "num_heads",
                                             "relative_attention_num_buckets", "relative_attention_max_distance"});
  EXPECT_EQ(glyph.glyph.vocab, 32128);
  EXPECT_EQ(glyph.glyph.head_dim, 64);
  EXPECT_EQ(glyph.glyph.inner_dim, 2048);
  EXPECT_EQ(glyph.glyph.layers, 6);
  EXPECT_EQ(glyph.glyph.heads, 8);
  EXPECT_EQ(glyph.glyph.buckets, 32);
  EXPECT_EQ(glyph.glyph.max_distance, 128);
  const ModelConfig dit = without(kDit, {"num_layers", "attention_head_dim", "num_attention_heads", "time_embed_dim",
                                         "condition_dim", "patch_size", "in_channels", "out_channels"});
  EXPECT_EQ(dit.dit.layers, 30);
  EXPECT_EQ(dit.dit.dim(), 64 * 40);
  EXPECT_EQ(dit.dit.time_dim, 512);
  EXPECT_EQ(dit.dit.condition_dim, 256);
  EXPECT_EQ(dit.dit.patch, 2);
  const ModelConfig vae =
      without(kVae, {"layers_per_block", "use_post_quant_conv", "mid_block_add_attention", "out_channels", "act_fn"});
  EXPECT_EQ(vae.vae.layers_per_block, 1);
  EXPECT_TRUE(vae.vae.post_quant_conv);
  EXPECT_TRUE(vae.vae.mid_attention);
  EXPECT_EQ(vae.vae.image_channels, 3);
  EXPECT_TRUE(without(kVae, {"use_quant_conv", "in_channels"}).vae.quant_conv);
  const ModelConfig schedule = without(kSchedule, {"base_shift", "max_shift", "base_image_seq_len",
                                                   "num_train_timesteps", "use_karras_sigmas", "shift_terminal"});
  EXPECT_EQ(schedule.schedule.base_shift, 0.5);
  EXPECT_EQ(schedule.schedule.max_shift, 1.15);
  EXPECT_EQ(schedule.schedule.base_image_length, 256);
  EXPECT_EQ(schedule.schedule.train_timesteps, 1000);
}

TEST_F(Config, AbsentKeysOfThePriorMeanTheClassDefaults) {
  json changed = good_[kPrior];
  for (const char* key : {"dtype", "image_start_token_id", "image_end_token_id"}) changed.erase(key);
  json& text = changed["text_config"];
  for (const char* key : {"vocab_size", "vision_vocab_size", "num_hidden_layers", "intermediate_size", "rms_norm_eps",
                          "max_position_embeddings", "num_key_value_heads", "hidden_act"}) {
    text.erase(key);
  }
  text["head_dim"] = nullptr;
  text["rope_parameters"] = {{"mrope_section", {2, 3, 3}}};  // all of the 16 = 64 / 4 turn
  write(kPrior, changed);
  fs::remove(path(kGeneration));
  const ModelConfig c = read();
  EXPECT_EQ(c.prior.vocab, 168064);
  EXPECT_EQ(c.prior.vision_vocab, 16512);
  EXPECT_EQ(c.prior.layers, 40);
  EXPECT_EQ(c.prior.inner_dim, 13696);
  EXPECT_EQ(c.prior.norm_eps, 1e-5);
  EXPECT_EQ(c.prior.max_positions, 131072);
  EXPECT_EQ(c.prior.kv_heads, 2);
  EXPECT_EQ(c.prior.head_dim, 16);
  EXPECT_EQ(c.prior.rotary_dim(), 16);
  EXPECT_EQ(c.prior.rope_theta, 10000);
  EXPECT_TRUE(c.prior.attention_bias);
  EXPECT_EQ(c.generation.image_begin, 16384);
  EXPECT_EQ(c.generation.image_end, 16385);
  EXPECT_EQ(c.generation.eos, std::vector<int64_t>{16385});
  EXPECT_EQ(c.dtype, "float32");
}

TEST_F(Config, WithoutGenerationConfigUpstreamSamplesByItsOwnDefaults) {
  fs::remove(path(kGeneration));
  for (const bool empty : {false, true}) {
    if (empty) write(kGeneration, json::object());
    const ModelConfig c = read();
    EXPECT_EQ(c.generation.top_k, 50);
    EXPECT_EQ(c.generation.top_p, 1.0);
    EXPECT_EQ(c.generation.temperature, 1.0);
    EXPECT_EQ(c.generation.eos, std::vector<int64_t>{257});
  }
}

TEST_F(Config, AMissingGenerationConfigIsToldUnlessNothingIsTakenFromIt) {
  EXPECT_TRUE(read().warnings.empty());
  write(kGeneration, json::object());
  EXPECT_TRUE(read().warnings.empty()) << "save_pretrained leaves out what is as the defaults are";
  fs::remove(path(kGeneration));
  for (const json& own : {json(), json{{"steps", 3}}, json{{"temperature", 0.5}, {"top_p", 1}}}) {
    if (!own.is_null()) write(kPicture, own);
    const std::vector<std::string> warnings = read().warnings;
    ASSERT_EQ(warnings.size(), 1U) << own;
    for (const std::string& said : {path(kGeneration).string(), std::string("top-k 50")}) {
      EXPECT_NE(warnings[0].find(said), std::string::npos) << warnings[0];
    }
  }
  write(kPicture, {{"temperature", 0.5}, {"top_p", 1}, {"top_k", 7}});
  EXPECT_TRUE(read().warnings.empty());
}

TEST_F(Config, TakesSeveralEnds) {
  const Key key{kGeneration, "/eos_token_id"};
  for (const json& ends : {json(7), json({7}), json({7, 257, 9})}) {
    json changed = good_[kGeneration];
    changed["eos_token_id"] = ends;
    write(kGeneration, changed);
    EXPECT_EQ(read().generation.eos,
              ends.is_array() ? ends.get<std::vector<int64_t>>() : std::vector<int64_t>{ends.get<int64_t>()});
  }
  for (const json& value :
       {json(-1), json(1e30), json("text"), json(true), json::array(), json({-1}), json({7, "text"}), json({{7}})}) {
    EXPECT_TRUE(refuses_value(key, value)) << value;
  }
}

// transformers writes null for what was set to None, and takes it as off.
TEST_F(Config, NullIsOff) {
  json changed = good_[kGeneration];
  for (const char* key : {"temperature", "top_p", "top_k"}) changed[key] = nullptr;
  write(kGeneration, changed);
  const GenerationConfig off = read().generation;
  EXPECT_EQ(off.temperature, 1);
  EXPECT_EQ(off.top_p, 1);
  EXPECT_EQ(off.top_k, 0);
}

// As today's save_pretrained writes it, alone or beside the older file.
TEST_F(Config, ReadsAProcessorThatIsOneFile) {
  const char* one = "processor/processor_config.json";
  json all = {{"image_processor", good_[kPixels]}, {"processor_class", "GlmImageProcessor"}};
  all["image_processor"]["min_pixels"] = 12345;
  write(one, all);
  EXPECT_EQ(read().preprocessor.min_pixels, 12345) << "it comes first";
  fs::remove(path(kPixels));
  EXPECT_EQ(read().preprocessor.min_pixels, 12345);
  all["image_processor"]["do_resize"] = false;
  write(one, all);
  EXPECT_TRUE(refuses(one, {"image_processor: do_resize", "true"}));
  write(one, {{"processor_class", "GlmImageProcessor"}});
  EXPECT_TRUE(refuses(kPixels, {"no such file"}));
  write(kPixels, good_[kPixels]);
  EXPECT_NE(read().preprocessor.min_pixels, 12345);
}

TEST_F(Config, KnowsBothNamesOfTheDtype) {
  const auto dtype_of = [&](const json& more) {
    json changed = good_[kPrior];
    changed.erase("dtype");
    changed.update(more);
    write(kPrior, changed);
    return read().dtype;
  };
  EXPECT_EQ(dtype_of(json::object()), "float32");
  EXPECT_EQ(dtype_of({{"dtype", "bfloat16"}}), "bfloat16");
  EXPECT_EQ(dtype_of({{"torch_dtype", "float16"}}), "float16");
  EXPECT_EQ(dtype_of({{"torch_dtype", "float16"}, {"dtype", "bfloat16"}}), "bfloat16");
  write(kPrior, good_[kPrior]);
  for (const json& value : {json("float64"), json("torch.float32"), json(32), json::array()}) {
    EXPECT_TRUE(refuses_value({kPrior, "/dtype"}, value)) << value;
  }
}

TEST_F(Config, RefusesWhatIsNoWholeNumberAbove0) {
  const Keys all = {
      {kPrior,
       {"/text_config/hidden_size", "/text_config/intermediate_size", "/text_config/num_hidden_layers",
        "/text_config/num_attention_heads", "/text_config/num_key_value_heads", "/text_config/vocab_size",
        "/text_config/vision_vocab_size", "/text_config/max_position_embeddings", "/vq_config/num_embeddings"}},
      {kGlyph,
       {"/d_model", "/d_ff", "/num_heads", "/d_kv", "/num_layers", "/vocab_size", "/relative_attention_num_buckets",
        "/relative_attention_max_distance"}},
      {kDit,
       {"/num_layers", "/num_attention_heads", "/attention_head_dim", "/in_channels", "/out_channels", "/patch_size",
        "/text_embed_dim", "/time_embed_dim", "/condition_dim", "/prior_vq_quantizer_codebook_size"}},
      {kVae, {"/layers_per_block", "/latent_channels", "/norm_num_groups", "/sample_size", "/out_channels"}},
      {kSchedule, {"/num_train_timesteps", "/base_image_seq_len"}}};
  const std::vector<json> values = {
      0, -1, 1e30, UINT64_MAX, INT64_MAX, 2.5, "text", nullptr, json::array({1}), json::object(), true};
  expect_refused(all, values, "expected");
}

TEST_F(Config, RefusesWhatIsNoNumberInItsRange) {
  const std::string rope = "/text_config/rope_parameters/";
  const Keys all = {{kPrior, {"/image_start_token_id", "/image_end_token_id", "/text_config/rms_norm_eps"}},
                    {kPrior, {rope + "rope_theta", rope + "partial_rotary_factor"}},
                    {kGeneration, {"/temperature", "/top_p", "/top_k"}},
                    {kGlyph, {"/layer_norm_epsilon"}},
                    {kSchedule, {"/base_shift", "/max_shift"}}};
  expect_refused(all, {-1, 1e30, "text", json::array({1}), true}, "expected");
  const Keys flags = {{kPrior, {"/text_config/attention_bias"}},
                      {kVae, {"/mid_block_add_attention", "/use_post_quant_conv"}}};
  expect_refused(flags, {0, 1, "true", nullptr}, "expected true or false");
}

TEST_F(Config, RefusesBrokenListsAndSections) {
  for (const Key& key :
       std::vector<Key>{{kVae, "/block_out_channels"}, {kVae, "/latents_mean"}, {kVae, "/latents_std"}}) {
    json text = good_[kVae].at(json::json_pointer(key.pointer));
    text[0] = "8";
    for (const json& value : {json(), json(8), json::array(), json(std::vector<int>(17, 8)), json("8"), text}) {
      EXPECT_TRUE(refuses_value(key, value)) << value;
    }
  }
  for (const json& item : {json(-8), json(0), json(8.5), json(1e30), json(UINT64_MAX), json::array({8})}) {
    EXPECT_TRUE(refuses_value({kVae, "/block_out_channels"}, {8, 16, 24, item})) << item;
  }
  for (const Key& key : std::vector<Key>{{kPrior, "/text_config"}, {kPrior, "/vq_config"}}) {
    for (const json& value : {json(1), json("text"), json::array()}) {
      EXPECT_TRUE(refuses_value(key, value, {"an object", value.dump()})) << value;
    }
  }
}

TEST_F(Config, NamesAKeyThatHasNoDefault) {
  for (const char* key : {"latents_mean", "latents_std"}) {
    json changed = good_[kVae];
    changed.erase(key);
    write(kVae, changed);
    EXPECT_TRUE(refuses(kVae, {key, "missing"}));
  }
}

TEST_F(Config, RefusesWhatThisProgramDoesNotKnow) {
  const std::string only = "the only value this program knows";
  expect_refused({{kPrior, {"/tie_word_embeddings"}},
                  {kSchedule,
                   {"/invert_sigmas", "/use_karras_sigmas", "/use_exponential_sigmas", "/use_beta_sigmas",
                    "/stochastic_sampling"}}},
                 {true, nullptr, 0}, only);
  expect_refused({{kPrior, {"/text_config/hidden_act"}}, {kVae, {"/act_fn"}}}, {"gelu", nullptr}, only);
  expect_refused({{kPrior, {"/text_config/rope_parameters/rope_type"}}}, {"yarn", "linear", nullptr}, only);
  expect_refused({{kGlyph, {"/feed_forward_proj"}}}, {"relu", "gated-silu"}, only);
  expect_refused({{kVae, {"/out_channels"}}}, {4, 1, "3"}, only);
  expect_refused({{kVae, {"/up_block_types"}}}, {json::array({"UpDecoderBlock2D"}), "UpDecoderBlock2D"}, only);
  expect_refused({{kSchedule, {"/use_dynamic_shifting"}}}, {false, 1}, only);
  expect_refused({{kSchedule, {"/time_shift_type"}}}, {"exponential", nullptr}, only);
  expect_refused({{kSchedule, {"/shift_terminal"}}}, {0.1, 0}, only);
}

TEST_F(Config, AbsentKeysThatMeanSomethingElseAreRefused) {
  for (const Key& key : std::vector<Key>{{kGlyph, "/feed_forward_proj"},
                                         {kVae, "/up_block_types"},
                                         {kSchedule, "/use_dynamic_shifting"},
                                         {kSchedule, "/time_shift_type"}}) {
    json changed = good_[key.file];
    changed.erase(key.said());
    write(key.file, changed);
    EXPECT_TRUE(refuses(key.file, {key.said(), "the only value this program knows"}));
    write(key.file, good_[key.file]);
  }
}

TEST_F(Config, PartsHaveToFitEachOther) {
  const std::string text = "/text_config/";
  const Key mrope{kPrior, text + "rope_parameters/mrope_section"};
  for (const json& value : {json{2, 3, 4}, json{8}, json{2, 2, 2, 2}, json{0, 0, 0}}) {
    EXPECT_TRUE(refuses_value(mrope, value, {"three numbers with the sum 8", "found " + value.dump()}));
  }
  const Key fraction{kPrior, text + "rope_parameters/partial_rotary_factor"};
  for (const double value : {0.0, 0.04, 0.1}) EXPECT_TRUE(refuses_value(fraction, value, {"head_dim (32)"})) << value;
  EXPECT_TRUE(refuses_value({kPrior, text + "num_key_value_heads"}, 3, {"a divisor of 4", "found 3"}));
  EXPECT_TRUE(refuses_value({kPrior, text + "vision_vocab_size"}, 865, {"vocab_size (864)", "found 865"}));
  EXPECT_TRUE(refuses_value({kPrior, "/image_start_token_id"}, 864, {"0 to 863", "found 864"}));
  EXPECT_TRUE(refuses_value({kPrior, "/image_end_token_id"}, 864, {"0 to 863", "found 864"}));
  EXPECT_TRUE(refuses_value({kPrior, "/vq_config/num_embeddings"}, 273, {"vision_vocab_size", "found 273"}));
  EXPECT_TRUE(refuses_value({kGlyph, "/relative_attention_max_distance"}, 8, {"a quarter of", "found 8"}));
  EXPECT_TRUE(refuses_value({kGlyph, "/vocab_size"}, 258, {"259", "found 258"}));
  EXPECT_TRUE(refuses_value({kDit, "/attention_head_dim"}, 34, {"a multiple of 4", "found 34"}));
  EXPECT_TRUE(refuses_value({kDit, "/out_channels"}, 8, {"in_channels (16)", "found 8"}));
  EXPECT_TRUE(refuses_value({kDit, "/text_embed_dim"}, 1472, {"d_model (64)", "found 1472"}));
  EXPECT_TRUE(refuses_value({kDit, "/prior_vq_quantizer_codebook_size"}, 255, {"codebook (256)", "found 255"}));
  EXPECT_TRUE(refuses_value({kVae, "/latents_mean"}, std::vector<double>(15), {"a list of 16 numbers"}));
  EXPECT_TRUE(refuses_value({kVae, "/latents_std"}, std::vector<double>(17), {"a list of 16 numbers"}));
  EXPECT_TRUE(refuses_value({kVae, "/block_out_channels"}, {8, 16, 24, 26}, {"norm_num_groups (4)"}));
  json vae = good_[kVae];
  vae.update({{"latent_channels", 1}, {"latents_mean", {0}}, {"latents_std", {1}}});
  write(kVae, vae);
  EXPECT_TRUE(refuses(kVae, {"latent_channels", "in_channels (16)", "found 1"}));
  vae = good_[kVae];
  vae.update({{"block_out_channels", {8, 16, 24}},
              {"up_block_types", std::vector<std::string>(3, "UpDecoderBlock2D")},
              {"down_block_types", std::vector<std::string>(3, "DownEncoderBlock2D")}});
  write(kVae, vae);
  EXPECT_TRUE(refuses(kVae, {"block_out_channels", "16 pixels", "found [8,16,24]"}));
}

TEST_F(Config, PictureDefaultsApply) {
  write(kPicture,
        {{"width", 256}, {"height", 128}, {"steps", 3}, {"guidance", 2.5}, {"temperature", 0.5}, {"top_k", 7}});
  const ModelConfig c = read();
  EXPECT_EQ(c.picture.width, 256);
  EXPECT_EQ(c.picture.height, 128);
  EXPECT_EQ(c.picture.steps, 3);
  EXPECT_EQ(c.picture.guidance, 2.5);
  EXPECT_EQ(c.generation.temperature, 0.5) << "before generation_config.json's";
  EXPECT_EQ(c.generation.top_k, 7);
  EXPECT_EQ(c.generation.top_p, 0.75) << "generation_config.json's";
}

TEST_F(Config, PictureDefaultsAreChecked) {
  const std::vector<std::pair<std::string, std::vector<json>>> all = {{"width", {127, 2049, 0, -1, "256", 256.0}},
                                                                      {"height", {127, 2049, true}},
                                                                      {"steps", {0, 1001, 1.5, nullptr}},
                                                                      {"guidance", {-1, 1e30, "1", nullptr}},
                                                                      {"temperature", {0, -1, "1"}},
                                                                      {"top_p", {-0.1, 1.1}},
                                                                      {"top_k", {-1, 2.0}},
                                                                      {"Steps", {3}},
                                                                      {"seed", {0}}};
  for (const auto& [key, values] : all) {
    for (const json& value : values) {
      write(kPicture, {{key, value}});
      EXPECT_TRUE(refuses(kPicture, {key + ": expected"})) << key << " " << value;
    }
  }
}

}  // namespace
}  // namespace glm
