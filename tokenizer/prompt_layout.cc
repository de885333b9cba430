#include "tokenizer/prompt_layout.h"

#include <cmath>

#include "base/json.h"
#include "base/refuse.h"
#include "glm/error.h"

namespace glm {

namespace {

std::string grid_text(const LayoutTokens& tokens, Grid grid) {
  return tokens.grid_begin + std::to_string(grid.height) + " " + std::to_string(grid.width) + tokens.grid_end;
}

// Holds the place of a reference: its tokens are written over the ids of `image` later.
std::string source_text(const LayoutTokens& tokens, Grid grid) {
  std::string text = tokens.image_begin;
  for (int64_t i = 0; i < grid.cells(); ++i) text += tokens.image;
  return text + tokens.image_end;
}

// A token in tokenizer_config.json is a text, or an object with the text as its content.
std::string read_token(const nlohmann::json& config, const char* key, const std::string& source) {
  auto it = config.find(key);
  const nlohmann::json* value = it == config.end() ? nullptr : &*it;
  if (value && value->is_object() && value->contains("content")) value = &(*value)["content"];
  if (!value || !value->is_string() || value->get_ref<const std::string&>().empty()) {
    refuse(ErrorCode::model, source, std::string("a token as \"") + key + "\"", (value ? value->dump() : "nothing"),
           "is this the processor's file?");
  }
  return value->get<std::string>();
}

}  // namespace

// Computes in double and in upstream's order: int(sqrt(ratio) * 16), int(sqrt(1 / ratio) * 16).
Grid preview_grid(Grid target) {
  const double ratio = static_cast<double>(target.height) / static_cast<double>(target.width);
  return {static_cast<int64_t>(std::sqrt(ratio) * 16), static_cast<int64_t>(std::sqrt(1 / ratio) * 16)};
}

LayoutTokens read_layout_tokens(const std::filesystem::path& processor_tokenizer_config_json) {
  const auto config = read_json(processor_tokenizer_config_json);
  const std::string source = processor_tokenizer_config_json.string();
  if (!config.is_object()) refuse(ErrorCode::model, source, "an object", "other JSON");
  return {read_token(config, "grid_bos_token", source), read_token(config, "grid_eos_token", source),
          read_token(config, "bos_token", source), read_token(config, "eos_token", source),
          read_token(config, "image_token", source)};
}

PromptLayout layout_prompt(const TextTokenizer& tokenizer, const LayoutTokens& tokens, std::string_view prompt,
                           Grid target, bool parse_special, const std::vector<Grid>& sources) {
  PromptLayout layout{{}, target, sources.empty() ? preview_grid(target) : Grid{0, 0}};
  std::string before;
  for (const Grid& source : sources) before += source_text(tokens, source);
  std::string sizes = grid_text(tokens, target);
  if (sources.empty()) sizes += grid_text(tokens, layout.preview);
  sizes += tokens.image_begin;
  if (parse_special) {
    // In one go, as upstream: an added token may take white space off the prompt's ends.
    layout.ids = tokenizer.encode(before + std::string(prompt) + sizes, true);
  } else {
    layout.ids = tokenizer.encode(before, true);
    for (const std::vector<int64_t>& more : {tokenizer.encode(prompt, false), tokenizer.encode(sizes, true)}) {
      layout.ids.insert(layout.ids.end(), more.begin(), more.end());
    }
  }
  for (const std::string* token :
       {&tokens.grid_begin, &tokens.grid_end, &tokens.image_begin, &tokens.image_end, &tokens.image}) {
    tokenizer.id_of(*token);
  }
  return layout;
}

}  // namespace glm
