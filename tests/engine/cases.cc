#include "tests/engine/cases.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/json.h"
#include "engine/components/layers/rope.h"
#include "engine/device/device.h"
#include "engine/run/host_decoder.h"
#include "engine/run/prior.h"
#include "engine/run/references.h"
#include "tests/base/refusal.h"
#include "tests/support/checkpoints.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

struct OpenModel {
  OpenModel(const Golden& golden, const std::string& dtype)
      : model(checkpoint_of(golden, folder), dtype, test_device()) {}
  TemporaryFolder folder;
  Model model;
};
std::map<std::string, OpenModel> open_models;

// A GPU has to be opened before anything is computed on the CPU, and what lies there given back before the program
// ends.
class Surroundings : public testing::Environment {
 public:
  void SetUp() override { open_device(test_device_name()); }
  void TearDown() override { open_models.clear(); }
};
const testing::Environment* const kSurroundings = testing::AddGlobalTestEnvironment(new Surroundings);

}  // namespace

std::string test_device_name() {
  const char* name = std::getenv("GLM_TEST_DEVICE");
  return name != nullptr ? name : "cpu";
}

at::Device test_device() {
  return open_device(test_device_name());
}

fs::path checkpoint_a() {
  return checkpoint_folder("a");
}

Request small_request(std::vector<uint64_t> seeds) {
  Request request;
  request.prompt = "a sign that says \"A\" and 'B'";
  request.width = 128;
  request.height = 160;
  request.steps = 2;
  request.seeds = std::move(seeds);
  return request;
}

std::vector<std::string> golden_cases(const std::function<bool(const Golden&)>& wanted) {
  std::vector<std::string> cases;
  for (const char* checkpoint : {"a", "b", "c", "d", "k", "nano", "q_autoround", "q_sdnq"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(GLM_SOURCE_DIR) / "tests/goldens" / checkpoint)) {
      const std::string name = std::string(checkpoint) + "/" + entry.path().stem().string();
      if (wanted(Golden::of(name + ".safetensors"))) cases.push_back(name);
    }
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::vector<std::string> float32_cases(const std::vector<std::string>& whole) {
  return golden_cases([&](const Golden& golden) {
    return golden.parameters().at("dtype") == "float32" && golden.has("step0.noise_pred") &&
           std::all_of(whole.begin(), whole.end(), [&](const std::string& name) { return golden.whole(name); });
  });
}

std::vector<std::string> reference_cases() {
  std::vector<std::string> cases = float32_cases();
  std::erase_if(cases, [](const std::string& name) {
    return !Golden::of(name + ".safetensors").parameters().contains("references");
  });
  return cases;
}

// But for the batches, which have a test of their own.
std::vector<std::string> picture_cases() {
  return golden_cases([](const Golden& golden) {
    const auto& p = golden.parameters();
    return p.at("dtype") == "float32" && golden.has("step0.latents") && !p.contains("images");
  });
}

std::vector<std::string> bfloat16_cases() {
  return golden_cases([](const Golden& golden) { return golden.parameters().at("dtype") == "bfloat16"; });
}

fs::path checkpoint_of(const Golden& golden, const TemporaryFolder& folder) {
  const fs::path plain = golden.checkpoint();
  if (!golden.parameters().contains("min_pixels")) return plain;
  for (const auto& entry : fs::directory_iterator(plain)) {
    if (entry.path().filename() != "processor") fs::create_symlink(entry.path(), folder / entry.path().filename());
  }
  fs::copy(plain / "processor", folder / "processor", fs::copy_options::recursive);
  const fs::path file = folder / "processor/preprocessor_config.json";
  nlohmann::json config = read_json(file);
  config["min_pixels"] = golden.parameters().at("min_pixels");
  write_bytes(file, config.dump());
  return folder.path();
}

const Model& model_of(const Golden& golden, const std::string& dtype) {
  const nlohmann::json& p = golden.parameters();
  const std::string key =
      golden.checkpoint().string() + " " + dtype + " " + p.value("min_pixels", nlohmann::json()).dump();
  return open_models.try_emplace(key, golden, dtype).first->second.model;
}

void rewrite_tensors(const fs::path& file, const std::function<void(std::map<std::string, at::Tensor>&)>& change) {
  std::map<std::string, at::Tensor> tensors;
  {
    const SafetensorsFile stored(file);
    for (const auto& item : stored.tensors()) tensors[item.first] = stored.tensor(item.first).clone();
  }
  change(tensors);
  write_safetensors(file, tensors, {});
}

std::vector<Grid> StageTest::sources() const {
  std::vector<Grid> grids;
  if (!has_references()) return grids;
  const at::Tensor all = golden.tensor("ar.in.image_grid_thw");  // [references + 1, 3], the picture's last
  for (int64_t i = 0; i + 1 < all.size(0); ++i) {
    grids.push_back({all[i][1].item<int64_t>(), all[i][2].item<int64_t>()});
  }
  return grids;
}

at::Tensor StageTest::prompt_ids() const {
  const at::Tensor ids = golden.tensor("ar.in.input_ids");
  if (!has_references()) return ids;
  return ids.masked_scatter(ids == model.config.generation.image_token, golden.tensor("ar.vq_ids"));
}

std::vector<at::Tensor> StageTest::source_ids() const {
  std::vector<at::Tensor> ids;
  int64_t begin = 0;
  for (const Grid& source : sources()) {
    ids.push_back(golden.tensor("ar.vq_ids").slice(0, begin, begin + source.cells()).unsqueeze(0));
    begin += source.cells();
  }
  return ids;
}

std::vector<at::Tensor> StageTest::source_means() const {
  std::vector<at::Tensor> means;
  for (const Image& picture : golden.request().references) {
    const std::string name = "vae.cond" + std::to_string(means.size()) + ".mean";
    const Image pixels = resize_reference(model.config, picture).pixels;
    means.push_back(golden.whole(name) ? golden.tensor(name)
                                       : model.vae_encoder.encode(bytes_to_pixels(pixel_tensor(pixels))).cpu());
  }
  return means;
}

std::vector<Condition> StageTest::conditions(const Tap& tap) const {
  std::vector<Condition> all;
  const std::vector<at::Tensor> ids = source_ids();
  const std::vector<at::Tensor> means = source_means();
  for (size_t i = 0; i < ids.size(); ++i) {
    const Grid source = sources()[i];
    all.push_back(model.dit.condition(model.vae_encoder.normalize(means[i]), upsample_ids(ids[i], source),
                                      model.dit.canvas(model.config.geometry(source)),
                                      tap / ("dit.write" + std::to_string(i))));
  }
  return all;
}

PriorRequest StageTest::prior_request() const {
  const GenerationConfig& g = model.config.generation;
  return {.ids = prompt_ids(),
          .preview = preview(),
          .target = grid(),
          .sources = sources(),
          .sampling = {.temperature = g.temperature,
                       .top_p = g.top_p,
                       .top_k = g.top_k,
                       .greedy = golden.parameters().at("greedy")},
          .rng = golden.request().rng,
          .seed = golden.parameters().at("seed")};
}

at::Tensor StageTest::host_logits(int64_t rows) const {
  const at::Tensor ids = prompt_ids();
  const at::Tensor tokens = golden.tensor("ar.generated").contiguous();
  const at::Tensor prompt = prompt_positions(ids.size(1), sources());
  const at::Tensor grids = grid_positions(position_after(prompt), {preview(), grid()});
  DecodeState state = model.prior.start(1, at::cat({prompt, grids}, -1));
  std::vector<at::Tensor> logits = {model.prior.prefill(ids, state, {}).to(at::kFloat)};
  HostDecoder decoder(model.prior);
  for (int64_t begin = 0; begin + 1 < tokens.size(1); begin += rows) {
    std::vector<HostRow> pass;
    for (int64_t i = begin; i < std::min(begin + rows, tokens.size(1) - 1); ++i) {
      pass.push_back({.state = &state, .place = ids.size(1) + i, .token = tokens.const_data_ptr<int64_t>()[i]});
    }
    logits.push_back(decoder.forward(pass, [] {}).clone());
  }
  return at::cat(logits).unsqueeze(0);
}

at::Tensor StageTest::forced_logits(const Tap& tap) const {
  const at::Tensor ids = prompt_ids();
  const at::Tensor tokens = golden.tensor("ar.generated");
  const at::Tensor prompt = prompt_positions(ids.size(1), sources());
  const at::Tensor grids = grid_positions(position_after(prompt), {preview(), grid()});
  DecodeState state = model.prior.start(1, at::cat({prompt, grids}, -1));
  std::vector<at::Tensor> logits = {model.prior.prefill(ids, state, tap)};
  for (int64_t i = 0; i + 1 < tokens.size(1); ++i) {
    state.token.copy_(tokens.select(1, i));
    logits.push_back(model.prior.step(state));
  }
  return at::stack(logits, 1).cpu();
}

}  // namespace glm
