#include "tokenizer/byte_tokenizer.h"

#include <charconv>
#include <set>
#include <string>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"
#include "tokenizer/utf8.h"

namespace glm {

using nlohmann::json;

namespace {

constexpr int64_t kByteOffset = 3;  // Upstream: self.offset, the number of tokens before the bytes

// Throws Error(model). found: the value at this place, or null where there is none.
[[noreturn]] void refuse_entry(const std::string& place, const std::string& expected, const json* found) {
  refuse(ErrorCode::model, place, expected, found == nullptr ? "nothing" : shortened(json_text(*found), 80),
         "save the tokenizer again with transformers' ByT5Tokenizer");
}

// The entry of this name, or null. value: an object
const json* entry_of(const json& value, const char* key) {
  const auto it = value.find(key);
  return it == value.end() ? nullptr : &*it;
}

bool read_flag(const json& token, const char* key, const std::string& place) {
  const json* flag = entry_of(token, key);
  if (flag == nullptr || !flag->is_boolean()) refuse_entry(place + " " + key, "true or false", flag);
  return flag->get<bool>();
}

AddedToken read_special(const std::string& key, const json& value, const std::string& place) {
  AddedToken token;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token.id);
  if (error != std::errc() || end != key.data() + key.size() || token.id < 0 || token.id > INT32_MAX) {
    const json found = key;
    refuse_entry(place, "a token id as the key", &found);
  }
  const json* content = value.is_object() ? entry_of(value, "content") : nullptr;
  if (content == nullptr || !content->is_string() || content->get_ref<const std::string&>().empty()) {
    refuse_entry(place + " content", "a text", content);
  }
  token.content = content->get<std::string>();
  token.lstrip = read_flag(value, "lstrip", place);
  token.rstrip = read_flag(value, "rstrip", place);
  if (read_flag(value, "single_word", place))
    refuse_entry(place + " single_word", "false", entry_of(value, "single_word"));
  return token;
}

std::vector<AddedToken> read_specials(const json& config, const std::string& source) {
  const json* list = entry_of(config, "added_tokens_decoder");
  if (list == nullptr || !list->is_object()) refuse_entry(source + ": added_tokens_decoder", "an object", list);
  std::vector<AddedToken> tokens;
  std::set<std::string> contents;
  for (const auto& [key, value] : list->items()) {
    tokens.push_back(read_special(key, value, source + ": added_tokens_decoder " + key));
    if (!contents.insert(tokens.back().content).second) {
      refuse_entry(source + ": added_tokens_decoder " + key, "a text that no other entry has",
                   entry_of(value, "content"));
    }
  }
  return tokens;
}

json read_config(const std::filesystem::path& file) {
  json config = read_json(file);
  if (!config.is_object()) refuse_entry(file.string(), "an object", &config);
  return config;
}

// The id of the special token that `content` names.
int64_t special_id(const AddedTokenFinder& specials, std::string_view content, const std::string& source) {
  for (const AddedToken& token : specials.tokens()) {
    if (token.content == content) return token.id;
  }
  refuse_entry(source + ": added_tokens_decoder", "an entry for \"" + std::string(content) + '"', nullptr);
}

}  // namespace

ByteTokenizer::ByteTokenizer(const std::filesystem::path& tokenizer_config_json)
    : specials_(read_specials(read_config(tokenizer_config_json), tokenizer_config_json.string())),
      pad_id_(special_id(specials_, "<pad>", tokenizer_config_json.string())),
      end_id_(special_id(specials_, "</s>", tokenizer_config_json.string())) {}

std::vector<int64_t> ByteTokenizer::encode(std::string_view text, size_t max_length, bool parse_special) const {
  if (max_length < 1) refuse("", "room for at least 1 glyph token", "0");
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
