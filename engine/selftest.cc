#include "engine/selftest.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "base/refuse.h"
#include "base/text.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/dtype.h"
#include "engine/checkpoint/quantisation.h"
#include "engine/checkpoint/random_weights.h"
#include "engine/components/image_tokenizer.h"
#include "engine/components/layers/rope.h"
#include "engine/components/prior_transformer.h"
#include "engine/components/vision_tower.h"
#include "engine/run/memory.h"
#include "engine/run/references.h"
#include "glm/error.h"
#include "tokenizer/prompt_layout.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;

namespace {

constexpr const char* kLanguage = "vision_language_encoder";
constexpr const char* kProcessor = "processor";
constexpr const char* kRandom = "the weights are random, and what upstream computes is known of trained ones alone";

// In bfloat16 logits this close to the largest, as parts of it, may be the largest on another device: two to four steps
// of bfloat16. Upstream's own test expects other tokens on another maker's GPU.
constexpr double kNearlyAsLikely = 1.0 / 64;

// Are these the weights that write_random_weights() writes? One tensor tells, which every format has in plain numbers.
bool are_random(const fs::path& folder, const ModelConfig& c) {
  const at::ScalarType dtype = compute_dtype("auto", c.dtype);
  const std::string name = "model.visual.patch_embed.proj.bias";
  const at::Tensor stored = Weights(folder, dtype).tensor(name, {c.vision.dim});
  const at::Tensor drawn = random_weight(name, {c.vision.dim}, at::TensorOptions(dtype));
  return at::allclose(stored.to(at::kFloat), drawn.to(at::kFloat), /*rtol=*/1e-2, /*atol=*/1e-4);
}

// "4 of 30 tokens are upstream's before the first other one: expected 948, found 1000"; "" where all are.
std::string difference(const Ids& expected, const Ids& found, const std::string& what) {
  const auto [at, other] = std::mismatch(expected.begin(), expected.end(), found.begin(), found.end());
  if (at == expected.end() && other == found.end()) return "";
  const auto text = [](Ids::const_iterator id, Ids::const_iterator end) {
    return id == end ? std::string("none") : std::to_string(*id);
  };
  return std::to_string(at - expected.begin()) + " of " + std::to_string(expected.size()) + " " + what +
         " are upstream's before the first other one: expected " + text(at, expected.end()) + ", found " +
         text(other, found.end());
}

std::string all_upstreams(const Ids& expected, const std::string& what) {
  return "all " + std::to_string(expected.size()) + " " + what + " are upstream's";
}

// The networks that write tokens.
struct Networks {
  // pictures: with those that read pictures
  Networks(const Weights& w, const ModelConfig& c, bool pictures) : prior(w, c.prior) {
    if (!pictures) return;
    vision_tower.emplace(w / "model.visual", c.vision);
    image_tokenizer.emplace(w / "model.vqmodel", c.codebook);
  }
  PriorTransformer prior;
  std::optional<VisionTower> vision_tower;
  std::optional<ImageTokenizer> image_tokenizer;
};

class Selftest {
 public:
  Selftest(const CheckpointName& name, const KnownModel* known, const SelftestOptions& options,
           const SelftestCallbacks& callbacks, at::Device device, CallQueue& queue)
      : name_(name),
        config_(name.folder),
        known_(known),
        options_(options),
        callbacks_(callbacks),
        device_(device),
        queue_(queue) {
    report_.folder = name_.folder;
  }

  SelftestReport run() {
    if (const std::string why = why_nobody_can_tell(); !why.empty()) {
      report_.checks.push_back({kLanguage, "tokens", Verdict::cant_tell, why});
      return std::move(report_);
    }
    check_given_picture();
    if (const auto found = Quantisation::of(name_.folder / kLanguage)) quantised_ = found->text();
    tokenizer_.emplace(name_.folder / kProcessor / "tokenizer.json");
    layout_tokens_ = read_layout_tokens(name_.folder / kProcessor / "tokenizer_config.json");
    for (const KnownTokens& known : known_->tokens) check_ids(known);
    report_.device = device_.str();
    load();
    for (const KnownTokens& known : known_->tokens) total_ += static_cast<int64_t>(known.tokens.size());
    tell(callbacks_.tokens, 0, total_);
    for (const KnownTokens& known : known_->tokens) check_picture_and_tokens(known);
    return std::move(report_);
  }

 private:
  std::string why_nobody_can_tell() {
    if (known_ == nullptr) {
      std::vector<std::string> names;
      for (const KnownModel& model : known_models()) names.push_back(model.name);
      return "what upstream computes is known for the sizes of " + listed(names) + ", and config.json has others";
    }
    report_.model = known_->name;
    return name_.random || are_random(name_.folder / kLanguage, config_) ? kRandom : "";
  }

  void check_given_picture() const {
    const bool asked = std::any_of(known_->tokens.begin(), known_->tokens.end(), [](const KnownTokens& known) {
      return known.picture && !known.picture->name.empty();
    });
    if (options_.picture.rgb.empty() || asked) return;
    refuse("picture", "none, because what is known of " + known_->name + " takes no picture from outside", "one");
  }

  void tell(const std::function<void(int64_t, int64_t)>& callback, int64_t done, int64_t total) {
    throw_if_cancelled(callbacks_.cancel);
    queue_.call_back([&] {
      if (callback) callback(done, total);
    });
  }

  void add(const char* component, const std::string& name, Verdict verdict, const std::string& detail) {
    report_.checks.push_back({component, name, verdict, detail});
  }
  // excuse: why other results than upstream's are no failure, or ""
  void add_difference(const char* component, const std::string& name, const std::string& text,
                      const std::string& excuse) {
    add(component, name, excuse.empty() ? Verdict::fail : Verdict::cant_tell,
        text + (excuse.empty() ? "" : "; " + excuse));
  }
  std::string excuse(const KnownTokens& known) const {
    if (!quantised_.empty()) return "the weights are quantised (" + quantised_ + "), so tokens may differ";
    const bool given = known.picture && !known.picture->name.empty();
    return given ? "the picture may be another one, or upstream's GPU has read it a little differently" : "";
  }

  std::string title(const KnownTokens& known) const {
    const Geometry size = config_.geometry(known.grid);
    const std::string at = " at " + size_text(size.width, size.height);
    if (known.prompt.empty()) return "the sizes" + at;
    return "\"" + known.prompt + "\"" + (known.picture ? " with a picture" : "") + at;
  }

  // Returns the picture that the prompt starts from, or nothing where it isn't here.
  std::optional<Image> picture_of(const KnownTokens& known) const {
    if (!known.picture) return std::nullopt;
    if (known.picture->name.empty()) return draw_slopes(known.picture->width, known.picture->height);
    return options_.picture.rgb.empty() ? std::nullopt : std::optional(options_.picture);
  }

  // Returns a prompt's ids as upstream's processor gives them. sources: grids of the pictures before it.
  Ids expected_ids(const KnownTokens& known, const std::vector<Grid>& sources) const {
    Ids ids;
    for (const Grid& grid : sources) {
      ids.push_back(config_.generation.image_begin);
      ids.insert(ids.end(), static_cast<size_t>(grid.cells()), config_.generation.image_token);
      ids.push_back(config_.generation.image_end);
    }
    ids.insert(ids.end(), known.ids.begin(), known.ids.end());
    return ids;
  }
  Ids found_ids(const KnownTokens& known, const std::vector<Grid>& sources) const {
    return layout_prompt(*tokenizer_, layout_tokens_, known.prompt, known.grid, /*parse_special=*/false, sources).ids;
  }
  std::vector<Grid> sources_of(const std::optional<Image>& picture) const {
    return picture ? std::vector<Grid>{reference_grid(config_, *picture)} : std::vector<Grid>{};
  }

  void check_ids(const KnownTokens& known) {
    if (known.ids.empty()) return;
    const std::vector<Grid> sources = sources_of(picture_of(known));
    const Ids expected = expected_ids(known, sources);
    const std::string other = difference(expected, found_ids(known, sources), "ids");
    add(kProcessor, "ids of " + title(known), other.empty() ? Verdict::pass : Verdict::fail,
        other.empty() ? all_upstreams(expected, "ids") : other);
  }

  void load() {
    const at::ScalarType dtype = compute_dtype(known_->dtype, config_.dtype);
    const auto uploader = device_.is_cpu() ? nullptr : std::make_shared<Uploader>(device_);
    const Weights all(name_.folder / kLanguage, dtype, uploader);
    const bool pictures = std::any_of(known_->tokens.begin(), known_->tokens.end(),
                                      [this](const KnownTokens& known) { return picture_of(known).has_value(); });
    double bytes = all.bytes();
    for (const char* part : {"model.visual", "model.vqmodel"}) {
      if (pictures) continue;
      bytes -= (all / part).bytes();
      all.leave(part);
    }
    check_weights_fit(bytes, dtype, device_);
    networks_.emplace(watched(all, static_cast<int64_t>(bytes)), config_, pictures);
    all.check_all_claimed();
    if (uploader != nullptr) uploader->finish();
  }

  // Returns the weights so that each tells when it is read. Codes stay as they are: a change would make numbers of
  // them.
  Weights watched(const Weights& weights, int64_t total) {
    if (!quantised_.empty()) return weights;
    return weights.changed([this, total](const std::string&, const at::Tensor& weight) {
      read_ = std::min(total, read_ + static_cast<int64_t>(weight.nbytes()));
      tell(callbacks_.reading, read_, total);
      return weight;
    });
  }

  void check_picture_and_tokens(const KnownTokens& known) {
    if (known.tokens.empty()) return;
    Ids sources;  // the picture's tokens
    const std::optional<Image> picture = picture_of(known);
    if (known.picture && !picture) {
      add(kLanguage, "tokens of " + title(known), Verdict::cant_tell,
          "it starts from the picture " + known.picture->name +
              " of Hugging Face's documentation-images, which isn't here; give it with --image");
      done_ += static_cast<int64_t>(known.tokens.size());
      return;
    }
    if (picture) sources = check_picture(known, *picture);
    const std::vector<Grid> grids = sources_of(picture);
    Ids ids = known.ids.empty() ? found_ids(known, grids) : expected_ids(known, grids);
    if (const int64_t largest = *std::max_element(ids.begin(), ids.end()); largest >= config_.prior.vocab) {
      add(kLanguage, "tokens of " + title(known), Verdict::fail,
          "the tokenizer gives the id " + std::to_string(largest) + ", and the model has ids below " +
              std::to_string(config_.prior.vocab));
      return;
    }
    std::copy(sources.begin(), sources.end(), ids.begin() + (sources.empty() ? 0 : 1));
    check_tokens(known, ids, grids);
  }

  // Returns the picture's tokens: upstream's where they are known, so that what follows is checked by itself.
  Ids check_picture(const KnownTokens& known, const Image& picture) {
    const Reference resized = resize_reference(config_, picture);
    const at::Tensor pixels = normalized_pixels(pixel_tensor(resized.vision), config_.preprocessor);
    const at::Tensor features = networks_->vision_tower->forward(pixels, {});
    const at::Tensor tokens = networks_->image_tokenizer->forward(features, resized.grid, {}).cpu();
    Ids found(tokens.const_data_ptr<int64_t>(), tokens.const_data_ptr<int64_t>() + tokens.numel());
    const Ids& expected = known.picture->tokens;
    if (expected.empty()) return found;
    const std::string name = "tokens of a picture of " + size_text(picture.width, picture.height);
    const std::string other = difference(expected, found, "tokens");
    if (other.empty()) {
      add(kLanguage, name, Verdict::pass, all_upstreams(expected, "tokens"));
    } else {
      add_difference(kLanguage, name, other, excuse(known));
    }
    return expected;
  }

  // Computes each token behind upstream's tokens, so that one that differs doesn't change those behind it.
  void check_tokens(const KnownTokens& known, const Ids& ids, const std::vector<Grid>& sources) {
    const std::string name = "tokens of " + title(known);
    const Ids& expected = known.tokens;
    const auto count = static_cast<int64_t>(expected.size());
    const auto length = static_cast<int64_t>(ids.size());
    const at::Tensor prompt = prompt_positions(length, sources);
    const Grid preview = sources.empty() ? preview_grid(known.grid) : Grid{0, 0};
    const at::Tensor grids = grid_positions(position_after(prompt), {preview, known.grid});
    DecodeState state = networks_->prior.start(1, at::cat({prompt, grids.slice(-1, 0, count)}, -1));
    at::Tensor logits = networks_->prior.prefill(at::tensor(ids, at::kLong).unsqueeze(0), state, {});
    Ids found;
    int64_t near = 0;
    for (const int64_t token : expected) {
      const at::Tensor row = logits[0].to(at::kCPU, at::kFloat);
      if (!row.isfinite().all().item<bool>()) {
        return add(kLanguage, name, Verdict::fail, "the model computes numbers that are infinite or NaN");
      }
      const auto best = row.argmax().item<int64_t>();
      const bool is_near = best != token && nearly_as_likely(row, token, best);
      near += is_near ? 1 : 0;
      found.push_back(is_near ? token : best);
      tell(callbacks_.tokens, ++done_, total_);
      if (found.size() == expected.size()) break;
      state.token.fill_(token);
      logits = networks_->prior.step(state);
    }
    const std::string other = difference(expected, found, "tokens");
    if (!other.empty()) return add_difference(kLanguage, name, other + in_all(expected, found), excuse(known));
    add(kLanguage, name, Verdict::pass,
        all_upstreams(expected, "tokens") +
            (near == 0 ? "" : ", " + std::to_string(near) + " of them nearly as likely as the likeliest here"));
  }

  bool nearly_as_likely(const at::Tensor& row, int64_t token, int64_t best) const {
    if (known_->dtype != "bfloat16") return false;
    const double largest = row[best].item<double>();
    return largest - row[token].item<double>() <= std::abs(largest) * kNearlyAsLikely;
  }

  static std::string in_all(const Ids& expected, const Ids& found) {
    int64_t equal = 0;
    for (size_t i = 0; i < expected.size(); ++i) equal += expected[i] == found[i] ? 1 : 0;
    return " (with upstream's tokens before each, " + std::to_string(equal) + " are the same)";
  }

  CheckpointName name_;
  ModelConfig config_;
  const KnownModel* known_;
  const SelftestOptions& options_;
  const SelftestCallbacks& callbacks_;
  at::Device device_;
  CallQueue& queue_;
  std::string quantised_;  // how the weights are, or ""
  std::optional<TextTokenizer> tokenizer_;
  LayoutTokens layout_tokens_;
  std::optional<Networks> networks_;
  int64_t read_ = 0;              // bytes
  int64_t done_ = 0, total_ = 0;  // tokens
  SelftestReport report_;
};

}  // namespace

SelftestReport run_selftest(const CheckpointName& name, const KnownModel* known, const SelftestOptions& options,
                            const SelftestCallbacks& callbacks, at::Device device, CallQueue& queue) {
  return Selftest(name, known, options, callbacks, device, queue).run();
}

}  // namespace glm
