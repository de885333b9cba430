#include "tokenizer/byte_tokenizer.h"

#include <charconv>
#include <set>
#include <string>

#include "base/json.h"
#include "glm/error.h"
#include "tokenizer/utf8.h"

namespace glm {

using nlohmann::json;

namespace {

constexpr int64_t kByteOffset = 3;  // Upstream: self.offset, the number of tokens before the bytes

[[noreturn]] void refuse(const std::string& place, const std::string& expected) {
  throw Error(ErrorCode::model,
              place + ": expected " + expected + "; save the tokenizer again with transformers' ByT5Tokenizer");
}

bool read_flag(const json& token, const char* key, const std::string& place) {
  const auto it = token.find(key);
  if (it == token.end() || !it->is_boolean()) refuse(place + " " + key, "true or false");
  return it->get<bool>();
}

AddedToken read_special(const std::string& key, const json& value, const std::string& place) {
  AddedToken token;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
  if (error != std::errc() || end != key.data() + key.size() || token.id < 0 || token.id > INT32_MAX) {
    refuse(place, "a token id as the key");
  }
  if (!value.is_object() || !value.contains("content") || !value["content"].is_string() || value["content"].empty() ||
      value["content"].get_ref<const std::string&>().empty()) {
    refuse(place + " content", "a text");
  }
  token.content = value["content"].get<std::string>();
  token.lstrip = read_flag(value, "lstrip", place);
  token.rstrip = read_flag(value, "rstrip", place);
  if (read_flag(value, "single_word", place)) refuse(place + " single_word", "false");
  return token;
}

std::vector<AddedToken> read_specials(const json& config, const std::string& source) {
  const auto list = config.find("added_tokens_decoder");
  if (list == config.end() || !list->is_object()) refuse(source + ": added_tokens_decoder", "an object");
  std::vector<AddedToken> tokens;
  std::set<std::string> contents;
  for (const auto& [key, value] : list->items()) {
    tokens.push_back(read_special(key, value, source + ": added_tokens_decoder " + key));
    if (!contents.insert(tokens.back().content).second) {
      refuse(source + ": added_tokens_decoder " + key, "a text of its own");
    }
  }
  return tokens;
}

json read_config(const std::filesystem::path& file) {
  json config = read_json(file);
  if (!config.is_object()) refuse(file.string(), "an object");
  return config;
}

// The id of the special token that `content` names.
int64_t special_id(const AddedTokenFinder& specials, std::string_view content, const std::string& source) {
  for (const AddedToken& token : specials.tokens()) {
    if (token.content == content) return token.id;
  }
  refuse(source + ": added_tokens_decoder", "an entry for \"" + std::string(content) + '"');
}

}  // namespace

ByteTokenizer::ByteTokenizer(const std::filesystem::path& tokenizer_config_json)
    : specials_(read_specials(read_config(tokenizer_config_json), tokenizer_config_json.string())),
      pad_id_(special_id(specials_, "<pad>", tokenizer_config_json.string())),
      end_id_(special_id(specials_, "</s>", tokenizer_config_json.string())) {}

std::vector<int64_t> ByteTokenizer::encode(std::string_view text, size_t max_length, bool parse_special) const {
  if (max_length < 1) throw Error(ErrorCode::usage, "expected room for at least 1 glyph token, found 0");
  const std::string repaired = repair_utf8(text);
  std::vector<int64_t> ids;
  const auto append_bytes = [&](std::string_view stretch) {
    for (const char byte : stretch) ids.push_back(static_cast<uint8_t>(byte) + kByteOffset);
  };
  std::string_view rest = repaired;
  while (const auto match = parse_special ? specials_.find(rest, 0) : std::nullopt) {
    const std::string_view before = rest.substr(0, match->begin);
    append_bytes(match->token->lstrip ? strip_right(before, Space::python) : before);
    ids.push_back(match->token->id);
    rest.remove_prefix(match->end);
    if (match->token->rstrip) rest = strip_left(rest, Space::python);
  }
  append_bytes(rest);
  // Upstream cuts first (prepare_for_model) and then leaves out a second end token (_add_eos_if_not_present).
  if (ids.size() + 1 > max_length) ids.resize(max_length - 1);
  if (ids.empty() || ids.back() != end_id_) ids.push_back(end_id_);
  return ids;
}

}  // namespace glm
