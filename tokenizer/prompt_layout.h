// The prompt as the AR model wants it: places for the references' tokens, the text, then the sizes of the image and of
// its preview.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/grid.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {

// The grid of the small image that is drawn first, of about 256 tokens in the target's aspect.
// Upstream: GlmImageProcessor._get_target_shape.
Grid preview_grid(Grid target);

// The tokens around the sizes, and those of an image. In the public checkpoint: "<sop>", "<eop>",
// "<|dit_token_16384|>", "<|dit_token_16385|>" and "<|image|>".
struct LayoutTokens {
  std::string grid_begin;
  std::string grid_end;
  std::string image_begin;
  std::string image_end;
  std::string image;  // stands for each token of a reference until the token is known
};

// Throws Error(model) naming the file and the missing key.
LayoutTokens read_layout_tokens(const std::filesystem::path& processor_tokenizer_config_json);

struct PromptLayout {
  std::vector<int64_t> ids;
  Grid target;
  Grid preview;  // with references none
};

// Text-to-image: PROMPT <sop>h w<eop><sop>ph pw<eop><begin>. With references, whose grids are `sources`:
// <begin><image>… <image><end> for each, then PROMPT <sop>h w<eop><begin>. parse_special concerns the prompt alone: the
// layout's own tokens are always parsed. Throws Error(model) when the tokenizer doesn't know the layout's
// tokens. Upstream: GlmImageProcessor.prepare_inputs_layout.
PromptLayout layout_prompt(const TextTokenizer& tokenizer, const LayoutTokens& tokens, std::string_view prompt,
                           Grid target, bool parse_special, const std::vector<Grid>& sources = {});

}  // namespace glm
