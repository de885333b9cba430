// The prompt as the AR model wants it: the text, then the sizes of the image and of its preview.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/text_tokenizer.h"

namespace glm {

// In tokens of 32 x 32 pixels; both sides are at least 1.
struct Grid {
  int64_t height;
  int64_t width;
};

// The grid of the small image that is drawn first, of about 256 tokens in the target's aspect.
// Upstream: GlmImageProcessor._get_target_shape.
Grid preview_grid(Grid target);

// The tokens around the sizes: "<sop>", "<eop>" and "<|dit_token_16384|>" in the public checkpoint.
struct LayoutTokens {
  std::string grid_begin;
  std::string grid_end;
  std::string image_begin;
};

// Throws Error(model) naming the file and the missing key.
LayoutTokens read_layout_tokens(const std::filesystem::path& processor_tokenizer_config_json);

struct PromptLayout {
  std::vector<int64_t> ids;
  Grid target;
  Grid preview;
};

// Text-to-image: PROMPT <sop>h w<eop><sop>ph pw<eop><image>. parse_special concerns the prompt alone: the
// layout's own tokens are always parsed. Throws Error(model) when the tokenizer doesn't know the layout's
// tokens. Upstream: GlmImageProcessor.prepare_inputs_layout.
PromptLayout layout_prompt(const TextTokenizer& tokenizer, const LayoutTokens& tokens, std::string_view prompt,
                           Grid target, bool parse_special);

}  // namespace glm
