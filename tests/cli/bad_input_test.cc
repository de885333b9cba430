// Checkpoints, places and moments that are bad, as a table: each ends with its status and one message that names the
// cause, prints no result and leaves nothing behind. Mistakes on the command line have a table of their own in
// bad_arguments_test.cc, configuration files theirs in sources_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const char* const kVae = "vae/diffusion_pytorch_model.safetensors";
const char* const kPrior = "vision_language_encoder/model.safetensors";
const char* const kDit = "transformer/diffusion_pytorch_model.safetensors";

void write(const fs::path& file, const std::string& bytes) {
  fs::remove(file);  // the checkpoint's own may be read-only
  std::ofstream(file, std::ios::binary) << bytes;
}

// A safetensors file's header, changed, before the same data.
void with_header(const fs::path& file, const std::function<void(json&)>& change) {
  const std::string bytes = read_file(file);
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  json header = json::parse(bytes.substr(8, size));
  const std::string data = bytes.substr(8 + size);
  change(header);
  const std::string text = header.dump();
  size = text.size();
  write(file, std::string(reinterpret_cast<const char*>(&size), 8) + text + data);
}

void change_json(const fs::path& file, const std::string& pointer, const json& value) {
  json content = json::parse(read_file(file));
  content[json::json_pointer(pointer)] = value;
  write(file, content.dump());
}

using Spoil = std::function<void(const fs::path& model)>;

Spoil header(const std::string& file, const std::string& tensor, const std::string& key, const json& value) {
  return [=](const fs::path& m) { with_header(m / file, [&](json& all) { all.at(tensor)[key] = value; }); };
}
Spoil config(const std::string& file, const std::string& pointer, const json& value) {
  return [=](const fs::path& m) { change_json(m / file, pointer, value); };
}
Spoil bytes(const std::string& file, size_t at, const std::string& value) {
  return [=](const fs::path& m) {
    std::string all = read_file(m / file);
    all.replace(at, value.size(), value);
    write(m / file, all);
  };
}
Spoil size(const std::string& file, uintmax_t length) {
  return [=](const fs::path& m) { write(m / file, read_file(m / file).substr(0, length)); };
}
Spoil text(const std::string& file, const std::string& content) {
  return [=](const fs::path& m) { write(m / file, content); };
}
Spoil gone(const std::string& file) {
  return [=](const fs::path& m) { fs::remove_all(m / file); };
}

// Numbers of a tensor of F32, all of them.
Spoil numbers(const std::string& file, const std::string& tensor, float value) {
  return [=](const fs::path& m) {
    std::string all = read_file(m / file);
    uint64_t length = 0;
    std::memcpy(&length, all.data(), 8);
    const json entry = json::parse(all.substr(8, length)).at(tensor);
    for (size_t at = entry["data_offsets"][0]; at < entry["data_offsets"][1]; at += 4) {
      std::memcpy(&all[8 + length + at], &value, 4);
    }
    write(m / file, all);
  };
}

// One shard of two that the index names is missing.
void split(const fs::path& m) {
  json map = json::object();
  with_header(m / kVae, [&](json& all) {
    for (const auto& item : all.items()) {
      if (item.key() != "__metadata__") map[item.key()] = "one.safetensors";
    }
  });
  map["decoder.conv_in.bias"] = "another.safetensors";
  fs::rename(m / kVae, m / "vae/one.safetensors");
  write(m / "vae/diffusion_pytorch_model.safetensors.index.json", json{{"weight_map", map}}.dump());
}

struct Row {
  const char* name;
  Spoil spoil;
  std::vector<std::string> said;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

std::vector<Row> rows() {
  const std::string bias = "decoder.conv_in.bias";
  const std::string weight = "decoder.conv_in.weight";
  const std::string vle = "vision_language_encoder/config.json";
  const std::string huge(30, '9');
  const json many = 9'000'000'000'000'000'000;
  return {
      // Headers.
      {"EmptyWeights", size(kVae, 0), {kVae, "expected a safetensors file, found an empty file"}},
      {"SevenBytes", size(kVae, 7), {kVae, "found 7"}},
      {"HeaderCut", size(kVae, 1000), {kVae, "its header needs"}},
      {"DataCut", size(kVae, 1'000'000), {kVae, "ends at byte"}},
      {"LastByteCut", size(kVae, 1'079'499), {kVae, "ends at byte"}},
      {"HeaderOverlong",
       bytes(kVae, 0, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8)),
       {kVae, "expected a header of at most"}},
      {"HeaderLongerThanTheFile",
       bytes(kVae, 0, std::string("\x00\x00\x00\x05\x00\x00\x00\x00", 8)),
       {kVae, "its header needs"}},
      {"HeaderNoJson", bytes(kVae, 20, "\x01\x02"), {kVae, "not valid JSON"}},
      {"HeaderNoObject", bytes(kVae, 8, "["), {kVae, "doesn't start with {"}},
      {"NotSafetensors", text(kVae, std::string(2000, 'x')), {kVae}},
      {"WeightsAreAFolder",
       [](const fs::path& m) {
         fs::remove(m / kVae);
         fs::create_directory(m / kVae);
       },
       {kVae, "expected a safetensors file"}},
      // Tensors.
      {"Overlapping", header(kVae, weight, "data_offsets", {0, 13824}), {kVae, "expected it to begin at byte"}},
      {"AGap", header(kVae, bias, "data_offsets", {4, 100}), {kVae, "begin at byte 0"}},
      {"Short", header(kVae, bias, "data_offsets", {0, 92}), {kVae, bias}},
      {"Backwards", header(kVae, bias, "data_offsets", {96, 0}), {kVae, bias}},
      {"Negative", header(kVae, bias, "data_offsets", {-96, 0}), {kVae, bias}},
      {"OffsetsOverflow", header(kVae, bias, "data_offsets", {0, many}), {kVae, bias}},
      {"OffsetsAreText", header(kVae, bias, "data_offsets", "all"), {kVae, bias}},
      {"WrongShape",
       header(kVae, weight, "shape", {24, 16, 9}),
       {kVae, weight, "expected shape [24, 16, 3, 3], found [24, 16, 9]"}},
      {"ShapeOverflows", header(kVae, bias, "shape", {many, many}), {kVae, bias}},
      {"ShapeNegative", header(kVae, bias, "shape", {-24}), {kVae, bias}},
      {"ShapeOfText", header(kVae, bias, "shape", {"24"}), {kVae, bias}},
      {"WrongType", header(kVae, bias, "dtype", "I32"), {kVae, bias, "expected F32, BF16 or F16, found I32"}},
      {"UnknownType", header(kVae, bias, "dtype", "F3"), {kVae, bias}},
      {"TypeOfAnotherSize", header(kVae, bias, "dtype", "F16"), {kVae, bias}},
      {"MissingTensor",
       [=](const fs::path& m) {
         with_header(m / kVae, [&](json& all) {
           all["another"] = all[bias];
           all.erase(bias);
         });
       },
       {"vae", bias, "is missing"}},
      {"TensorWithoutAPlace",
       [=](const fs::path& m) {
         with_header(m / kVae, [&](json& all) {
           all["another"] = {{"dtype", "F32"}, {"shape", {0}}, {"data_offsets", {0, 0}}};
         });
       },
       {"vae", "doesn't use: \"another\""}},
      {"MissingShard", split, {"another.safetensors"}},
      {"ShardOutsideTheFolder",
       [](const fs::path& m) {
         split(m);
         write(m / "vae/diffusion_pytorch_model.safetensors.index.json",
               R"({"weight_map": {"a": "../../etc/passwd"}})");
       },
       {"expected a plain file name"}},
      {"IndexWithoutAMap",
       [](const fs::path& m) {
         split(m);
         write(m / "vae/diffusion_pytorch_model.safetensors.index.json", "{}");
       },
       {"expected the key weight_map with an object"}},
      // Numbers.
      {"NanInTheVae", numbers(kVae, weight, std::numeric_limits<float>::quiet_NaN()), {"picture's pixels", "NaN"}},
      {"InfinityInTheVae", numbers(kVae, bias, std::numeric_limits<float>::infinity()), {"picture's pixels"}},
      {"NanInTheDecoder", numbers(kDit, "proj_out.bias", std::numeric_limits<float>::quiet_NaN()), {"DiT's latents"}},
      {"NanInThePrior",
       numbers(kPrior, "model.language_model.norm.weight", std::numeric_limits<float>::quiet_NaN()),
       {"prior's logits"}},
      // json.
      {"NoModelIndex", gone("model_index.json"), {"expected a checkpoint folder with model_index.json"}},
      {"IndexOfAnotherPipeline",
       text("model_index.json", R"({"_class_name": "FluxPipeline"})"),
       {"expected a checkpoint of GlmImagePipeline, found one of FluxPipeline"}},
      {"IndexIsAList", text("model_index.json", "[]"), {"model_index.json"}},
      {"JsonCut", text("vae/config.json", "{\"act_fn\": "), {"vae/config.json", "not valid JSON"}},
      {"JsonEmpty", text("vae/config.json", ""), {"vae/config.json"}},
      {"JsonWithNul", text("vae/config.json", std::string("{}\0{}", 5)), {"vae/config.json", "NUL"}},
      {"JsonNotUtf8", text("vae/config.json", "{\"act_fn\": \"\xff\"}"), {"vae/config.json", "not valid JSON"}},
      {"JsonDeep", text("vae/config.json", std::string(100'000, '[')), {"vae/config.json", "nests deeper"}},
      {"KeyTwice", text("vae/config.json", R"({"a": 1, "a": 2})"), {"vae/config.json", "given twice"}},
      {"NoVaeConfig", gone("vae/config.json"), {"vae/config.json", "no such file"}},
      {"NoWeights", gone(kDit), {"transformer: expected model.safetensors"}},
      {"NoTokenizer", gone("processor/tokenizer.json"), {"processor/tokenizer.json"}},
      {"LayersHuge",
       config(vle, "/text_config/num_hidden_layers", 1'000'000'000),
       {"config.json", "num_hidden_layers"}},
      {"LayersNegative", config(vle, "/text_config/num_hidden_layers", -1), {"num_hidden_layers"}},
      {"LayersAreText", config(vle, "/text_config/num_hidden_layers", "two"), {"num_hidden_layers"}},
      {"LayersAreHalf", config(vle, "/text_config/num_hidden_layers", 1.5), {"num_hidden_layers"}},
      {"DimHuge", config(vle, "/text_config/hidden_size", many), {"hidden_size"}},
      {"HeadsZero", config(vle, "/text_config/num_attention_heads", 0), {"num_attention_heads"}},
      {"EpsilonHuge", config(vle, "/text_config/rms_norm_eps", 1e300), {"rms_norm_eps"}},
      {"CodebookOfOne",
       config("transformer/config.json", "/prior_vq_quantizer_codebook_size", 1),
       {"prior_vq_quantizer_codebook_size"}},
      {"HeadDimOdd",
       config("transformer/config.json", "/attention_head_dim", 7),
       {"attention_head_dim", "multiple of 4"}},
      {"LatentsStdShort", config("vae/config.json", "/latents_std", json::array({1.0})), {"latents_std"}},
      {"BlocksOfNothing", config("vae/config.json", "/block_out_channels", json::array()), {"block_out_channels"}},
      {"TimestepsHuge",
       config("scheduler/scheduler_config.json", "/num_train_timesteps", many),
       {"num_train_timesteps"}},
      {"TemperatureZero", config("vision_language_encoder/generation_config.json", "/temperature", 0), {"temperature"}},
      {"TopPOverOne", config("vision_language_encoder/generation_config.json", "/top_p", 2), {"top_p"}},
      {"TopKNegative", config("vision_language_encoder/generation_config.json", "/top_k", -5), {"top_k"}},
      {"DefaultsUnknown", text("glm_image.json", R"({"widht": 256})"), {"glm_image.json", "widht"}},
      {"DefaultsTooLarge", text("glm_image.json", R"({"width": 99999})"), {"glm_image.json", "width"}},
      {"DefaultsNumberTooLong", text("glm_image.json", "{\"steps\": " + huge + "}"), {"glm_image.json", "steps"}},
      {"TokenizerNoJson", text("processor/tokenizer.json", "tokens"), {"tokenizer.json"}},
      {"TokenizerEmpty", text("processor/tokenizer.json", "{}"), {"tokenizer.json"}},
  };
}

class BadCheckpoint : public testing::TestWithParam<Row> {};

TEST_P(BadCheckpoint, IsRefusedWithItsCause) {
  const TemporaryFolder folder;
  const TemporaryFolder places;
  const fs::path model = folder / "model";
  fs::copy(small_checkpoint(), model, fs::copy_options::recursive);
  GetParam().spoil(model);
  const Outcome outcome =
      run_program(small_picture(places / "a.png", {"-q", "-m", model.string(), "--dump", (places / "dump").string()}));
  SCOPED_TRACE(outcome.err.substr(0, 1000));
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err.rfind("glm-image: ", 0), 0U);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << "more than one line";
  EXPECT_LT(outcome.err.size(), 700U);
  for (const std::string& said : GetParam().said) EXPECT_NE(outcome.err.find(said), std::string::npos) << said;
  EXPECT_TRUE(names_in(places.path()).empty());
}

INSTANTIATE_TEST_SUITE_P(Table, BadCheckpoint, testing::ValuesIn(rows()),
                         [](const auto& row) { return std::string(row.param.name); });

// With the tables of bad_arguments_test.cc (over 100 rows) and sources_test.cc.
TEST(BadInput, HasEightyRowsAndMore) {
  EXPECT_GE(rows().size(), 60);
}

// A disk that is full: the file's own limit, a device that is always full, a folder of a small file system would be
// the same errors. Nothing half written stays.
TEST(BadPlace, AFullDiskLeavesNothing) {
  const TemporaryFolder places;
  for (const Arguments& more : {Arguments{}, Arguments{"--format", "jpg", "-o", (places / "b.jpg").string()},
                                Arguments{"--dump", (places / "dump").string(), "-o", "/dev/null"}}) {
    const Outcome outcome = run_program(small_picture(places / "a.png", more), {.file_size = 4096});
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    EXPECT_NE(outcome.err.find("can't be written (File too large)"), std::string::npos) << outcome.err;
    EXPECT_TRUE(names_in(places.path()).empty());
  }
  const Outcome full = run_program(small_picture("/dev/full"));
  EXPECT_EQ(full.status, 1);
  EXPECT_NE(full.err.find("/dev/full: can't be written (No space left on device)"), std::string::npos) << full.err;
}

TEST(BadPlace, FinishedPicturesAreKeptWhenALaterOneFails) {
  const TemporaryFolder places;
  fs::create_directory(places / "2.png");
  // Told before: a folder stands where the second picture would.
  EXPECT_EQ(run_program(small_picture(places / "%d.png", {"-b", "2"})).status, 1);
  EXPECT_EQ(names_in(places.path()), std::vector<std::string>{"2.png"});
}

// 1024 layers of a million features inside: most of a terabyte.
TEST(TooLargeModel, IsToldBeforeItIsLoaded) {
  const TemporaryFolder folder;
  const TemporaryFolder places;
  const fs::path model = folder / "model";
  fs::copy(small_checkpoint(), model, fs::copy_options::recursive);
  for (const auto& entry : fs::recursive_directory_iterator(model)) {
    fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
  }
  change_json(model / "vision_language_encoder/config.json", "/text_config/num_hidden_layers", 1024);
  change_json(model / "vision_language_encoder/config.json", "/text_config/intermediate_size", 1 << 20);
  for (const std::string& name : {model.string(), "random:" + model.string()}) {
    const Outcome outcome = run_program(small_picture(places / "a.png", {"-q", "-m", name, "--device", "cpu"}));
    EXPECT_EQ(outcome.status, 4) << outcome.err;
    EXPECT_NE(outcome.err.find(" GB of memory for the weights, found "), std::string::npos) << outcome.err;
    EXPECT_TRUE(names_in(places.path()).empty());
  }
  const Outcome dry =
      run_program(small_picture(places / "a.png", {"-m", model.string(), "--device", "cpu", "--dry-run"}));
  EXPECT_EQ(dry.status, 0);
  EXPECT_NE(dry.err.find("free: too little"), std::string::npos) << dry.err;
}

}  // namespace
}  // namespace glm
