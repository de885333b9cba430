// Lays out the prompt for the prior: places for the references' tokens, the text, then the sizes of the picture's grid
// and of its preview's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/grid.h"
#include "tokenizer/text_tokenizer.h"

namespace glm {

// Returns the grid of the small preview that the prior writes first: about 256 tokens in the target's aspect.
// Upstream: GlmImageProcessor._get_target_shape.
Grid preview_grid(Grid target);

// The texts of the tokens around the sizes, and of an image's tokens. In the public checkpoint they are "<sop>",
// "<eop>", "<|dit_token_16384|>", "<|dit_token_16385|>" and "<|image|>".
struct LayoutTokens {
  std::string grid_begin;
  std::string grid_end;
  std::string image_begin;
  std::string image_end;
  std::string image;  // stands for each token of a reference until the token is known
};

// Reads them from the file. Throws Error(model) naming the file and the missing key.
LayoutTokens read_layout_tokens(const std::filesystem::path& processor_tokenizer_config_json);

struct PromptLayout {
  std::vector<int64_t> ids;
  Grid target;
  Grid preview;  // {0, 0} with references
};

// Lays out a prompt. Without references the ids mean "PROMPT <sop>h w<eop><sop>ph pw<eop><begin>". With references,
// whose grids are `sources`, they mean "<begin><image>…<image><end>" for each, then "PROMPT <sop>h w<eop><begin>".
// parse_special concerns the prompt alone: the layout's own tokens are always parsed. Throws Error(model) when the
// tokenizer doesn't know the layout's tokens. Thread safe. Upstream: GlmImageProcessor.prepare_inputs_layout.
PromptLayout layout_prompt(const TextTokenizer& tokenizer, const LayoutTokens& tokens, std::string_view prompt,
                           Grid target, bool parse_special, const std::vector<Grid>& sources = {});

}  // namespace glm
