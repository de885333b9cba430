// An adapter's deltas over a checkpoint: components ask for their weights by scope and get the sums, and know nothing.
#include <ATen/ATen.h>

#include "engine/components/dit.h"
#include "engine/components/layers/rope.h"
#include "engine/components/prior_transformer.h"
#include "tests/base/refusal.h"
#include "tests/engine/cases.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kRank = 2;

// "x.weight" -> "x.lora_A.weight", as adapters' files have it.
std::string part_name(const std::string& weight, const std::string& part) {
  return weight.substr(0, weight.size() - std::string("weight").size()) + part + ".weight";
}

// A checkpoint's folder, an adapter for some of its matrices, and the same folder with the sums in it.
class DeltaOver : public testing::Test {
 protected:
  // wanted: which weights get a delta, by a part of their names.
  void make(const std::string& component, const std::string& file, const std::vector<std::string>& wanted) {
    base_ = checkpoint_a() / component;
    fs::copy(base_, folder_ / "sums");
    fs::create_directory(folder_ / "adapter");
    std::map<std::string, at::Tensor> adapter;
    rewrite_tensors(folder_ / "sums" / file, [&](std::map<std::string, at::Tensor>& tensors) {
      for (auto& [name, tensor] : tensors) {
        const auto named = [&, own = name](const std::string& part) { return own.find(part) != std::string::npos; };
        if (tensor.dim() != 2 || std::none_of(wanted.begin(), wanted.end(), named)) continue;
        const at::Tensor down = at::randn({kRank, tensor.size(1)});
        const at::Tensor up = at::randn({tensor.size(0), kRank});
        adapter[part_name(name, "lora_A")] = down;
        adapter[part_name(name, "lora_B")] = up;
        tensor = tensor + at::matmul(up, down);
        ++deltas_;
      }
    });
    write_safetensors(folder_ / "adapter/model.safetensors", adapter, {});
  }

  Weights base() const { return {base_, at::kFloat}; }
  Weights sums() const { return {folder_ / "sums", at::kFloat}; }
  // The base with the adapter over it. Both are asked by the same scope's names.
  Weights adapted() const {
    const Weights adapter(folder_ / "adapter", at::kFloat);
    return base().changed([adapter](const std::string& name, const at::Tensor& weight) {
      if (!name.ends_with(".weight") || !adapter.has(part_name(name, "lora_A"))) return weight;
      const at::Tensor down = adapter.tensor(part_name(name, "lora_A"), {kRank, weight.size(1)});
      return weight + at::matmul(adapter.tensor(part_name(name, "lora_B"), {weight.size(0), kRank}), down);
    });
  }

  const c10::InferenceMode inference_;
  const TemporaryFolder folder_;
  const ModelConfig config_{checkpoint_a()};
  fs::path base_;
  int deltas_ = 0;
};

TEST_F(DeltaOver, TheDitItComputesWithTheSums) {
  make("transformer", "diffusion_pytorch_model.safetensors", {"to_q", "to_v", "to_out.0", "ff.net.2", "proj_out"});
  ASSERT_GE(deltas_, 9);
  const Grid grid{4, 5};
  const at::Tensor latents = at::randn(config_.latent_shape(grid));
  const at::Tensor glyphs = at::randn({1, 3, config_.glyph.dim});
  const at::Tensor ids =
      at::randint(0, config_.generation.codebook, {1, config_.geometry(grid).patches.cells()}, at::kLong);
  const auto velocity = [&](const Weights& weights) {
    const Dit dit(weights, config_.dit);
    return dit.forward(latents, {dit.branch(glyphs, ids, /*drop=*/false, {})}, dit.canvas(config_.geometry(grid)), 500,
                       {Tap()});
  };
  const at::Tensor expected = velocity(sums());
  EXPECT_TRUE(at::equal(velocity(adapted()), expected));
  EXPECT_FALSE(at::equal(velocity(base()), expected)) << "the deltas change something";
}

TEST_F(DeltaOver, ThePriorItComputesWithTheSums) {
  make("vision_language_encoder", "model.safetensors", {"k_proj", "o_proj", "gate_up_proj", "lm_head"});
  ASSERT_GE(deltas_, 4);
  const at::Tensor ids = at::randint(0, config_.prior.vision_vocab, {1, 7}, at::kLong);
  const auto logits = [&](const Weights& weights) {
    const PriorTransformer prior(weights, config_.prior);
    DecodeState state = prior.start(1, prompt_positions(7));
    return prior.prefill(ids, state, {});
  };
  const at::Tensor expected = logits(sums());
  EXPECT_TRUE(at::equal(logits(adapted()), expected));
  EXPECT_FALSE(at::equal(logits(base()), expected)) << "the deltas change something";
}

TEST_F(DeltaOver, ScopesKeepTheChangesAndClaimWhatTheyTake) {
  write_safetensors(folder_ / "model.safetensors", {{"a.b.weight", at::ones({2})}, {"a.c.weight", at::ones({2})}}, {});
  const Weights w(folder_.path(), at::kFloat);
  const Weights twice = w.changed([](const std::string& name, const at::Tensor& x) {
                           return name == "a.b.weight" ? x + 1 : x;
                         }).changed([](const std::string&, const at::Tensor& x) { return x * 3; });
  EXPECT_TRUE(at::equal((twice / "a" / "b").tensor("weight", {2}), at::full({2}, 6.0F))) << "in their order";
  EXPECT_TRUE(at::equal((twice / "a" / "c").tensor("weight", {2}), at::full({2}, 3.0F)));
  EXPECT_TRUE(at::equal((w / "a" / "b").tensor("weight", {2}), at::ones({2}))) << "the others stay as they were";
  EXPECT_NO_THROW(w.check_all_claimed());
  const Weights wrong = w.changed([](const std::string&, const at::Tensor& x) { return x.unsqueeze(0); });
  EXPECT_TRUE(refused(ErrorCode::internal, {"a.b.weight", "[2]", "[1, 2]"}, [&] { wrong.tensor("a.b.weight", {2}); }));
}

}  // namespace
}  // namespace glm
