#include "tokenizer/tokenizer_file.h"

#include <algorithm>
#include <unordered_set>

#include "base/json.h"
#include "base/refuse.h"
#include "base/text.h"
#include "glm/error.h"
#include "tokenizer/utf8.h"

namespace glm {

using nlohmann::json;

namespace {

// The longest allowed piece, in bytes of GPT-2's alphabet; GLM's longest is under 300. There is a limit because the
// check of all splits takes quadratic time.
constexpr size_t kMaxPiece = 2048;
constexpr uint32_t kMaxId = INT32_MAX;

bool is_id(const json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>() <= kMaxId;
  return value.is_number_integer() && value.get<int64_t>() >= 0 && value.get<int64_t>() <= kMaxId;
}

// A value in the file, and its place there for messages.
class Node {
 public:
  // before_key: what stands between this place and the name of a key in it
  Node(const json* value, std::string place, const char* before_key = " ")
      : value_(value), place_(std::move(place)), before_key_(before_key) {}

  [[noreturn]] void refuse(const std::string& expected) const {
    const std::string found = value_ ? json_text(*value_) : "nothing";
    glm::refuse(ErrorCode::model, place_, expected, shortened(found, 80),
                "only byte-level BPE as in GLM-Image is supported");
  }
  Node operator[](const char* key) const {
    if (!value_ || !value_->is_object()) refuse("an object");
    const auto it = value_->find(key);
    return {it == value_->end() ? nullptr : &*it, place_ + before_key_ + key};
  }
  Node entry(const std::string& key, const json& value) const { return {&value, place_ + " \"" + key + '"'}; }
  Node at(size_t index) const { return {&array()[index], place_ + "[" + std::to_string(index) + "]"}; }

  bool is_null() const { return !value_ || value_->is_null(); }
  const json& object() const {
    if (!value_ || !value_->is_object()) refuse("an object");
    return *value_;
  }
  const json& array() const {
    if (!value_ || !value_->is_array()) refuse("an array");
    return *value_;
  }
  const std::string& text() const {
    if (!value_ || !value_->is_string()) refuse("a string");
    return value_->get_ref<const std::string&>();
  }
  bool flag() const {
    if (!value_ || !value_->is_boolean()) refuse("true or false");
    return value_->get<bool>();
  }
  bool flag_or(bool otherwise) const { return value_ ? flag() : otherwise; }
  int64_t id() const {
    if (!value_ || !is_id(*value_)) refuse("a token id from 0 to " + std::to_string(kMaxId));
    return value_->get<int64_t>();
  }
  void require_null() const {
    if (!is_null()) refuse("null");
  }
  void require_text(const char* expected) const {
    if (text() != expected) refuse('"' + std::string(expected) + '"');
  }
  void require_flag(bool expected) const {
    if (flag() != expected) refuse(expected ? "true" : "false");
  }

 private:
  const json* value_;  // null: the key is missing
  std::string place_;
  const char* before_key_;
};

// Returns the pattern. Expects Sequence[Split(pattern), ByteLevel].
std::string read_pattern(const Node& pre_tokenizer) {
  pre_tokenizer["type"].require_text("Sequence");
  const Node steps = pre_tokenizer["pretokenizers"];
  if (steps.array().size() != 2) steps.refuse("two steps, Split and ByteLevel");
  const Node split = steps.at(0);
  split["type"].require_text("Split");
  split["behavior"].require_text("Isolated");
  split["invert"].require_flag(false);
  const Node bytes = steps.at(1);
  bytes["type"].require_text("ByteLevel");
  bytes["add_prefix_space"].require_flag(false);
  bytes["use_regex"].require_flag(false);
  return split["pattern"]["Regex"].text();
}

// Refuses a post-processor that adds tokens. ByteLevel changes offsets alone; today's save_pretrained writes a template
// of the text and nothing else.
void require_no_addition(const Node& post_processor) {
  if (post_processor.is_null()) return;
  const std::string& type = post_processor["type"].text();
  if (type == "Sequence") {
    const Node steps = post_processor["processors"];
    for (size_t i = 0; i < steps.array().size(); ++i) require_no_addition(steps.at(i));
  } else if (type == "TemplateProcessing") {
    const Node pieces = post_processor["single"];
    if (pieces.array().size() != 1) pieces.refuse("the text alone");
    pieces.at(0)["Sequence"]["id"].require_text("A");
  } else {
    post_processor["type"].require_text("ByteLevel");
  }
}

void require_supported_model(const Node& model) {
  model["type"].require_text("BPE");
  model["dropout"].require_null();
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model[affix].is_null()) model[affix].require_text("");
  }
  if (model["byte_fallback"].flag_or(false)) model["byte_fallback"].refuse("false");
}

std::unordered_map<std::string, int64_t> read_vocabulary(const Node& vocabulary) {
  std::unordered_map<std::string, int64_t> out;
  std::unordered_set<int64_t> taken;
  out.reserve(vocabulary.object().size());
  taken.reserve(vocabulary.object().size());
  for (const auto& [piece, value] : vocabulary.object().items()) {
    if (!is_id(value)) vocabulary.entry(piece, value).id();  // refuses
    if (piece.empty() || piece.size() > kMaxPiece) {
      vocabulary.entry(piece, value).refuse("pieces of 1 to " + std::to_string(kMaxPiece) + " bytes");
    }
    const auto id = value.get<int64_t>();
    if (!taken.insert(id).second) vocabulary.entry(piece, value).refuse("an id that no other piece has");
    out.emplace(piece, id);
  }
  for (const std::string& character : byte_alphabet()) {
    if (!out.contains(character)) vocabulary.refuse("a piece for each byte (there is none for \"" + character + "\")");
  }
  return out;
}

TokenizerFile::Merge read_merge(const json& value, const Node& list, size_t index) {
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return {text.substr(0, space) + text.substr(space + 1), space};
    }
  } else if (value.is_array() && value.size() == 2 && value[0].is_string() && value[1].is_string()) {
    const std::string& left = value[0].get_ref<const std::string&>();
    return {left + value[1].get_ref<const std::string&>(), left.size()};
  }
  list.at(index).refuse("[left, right] or \"left right\"");
}

std::vector<TokenizerFile::Merge> read_merges(const Node& list,
                                              const std::unordered_map<std::string, int64_t>& vocabulary) {
  std::vector<TokenizerFile::Merge> out;
  out.reserve(list.array().size());
  std::vector<std::pair<int64_t, size_t>> pairs;  // both parts' ids in one number, and the merge's index
  pairs.reserve(list.array().size());
  std::string piece;
  for (const json& value : list.array()) {
    const auto& merge = out.emplace_back(read_merge(value, list, out.size()));
    const auto id_of = [&](size_t begin, size_t length) {
      piece.assign(merge.token, begin, length);
      const auto it = vocabulary.find(piece);
      if (it == vocabulary.end()) {
        list.at(out.size() - 1).refuse("pieces of the vocabulary (\"" + piece + "\" is not in it)");
      }
      return it->second;
    };
    const int64_t left = id_of(0, merge.split);
    const int64_t right = id_of(merge.split, std::string::npos);
    const bool checked = out.size() > 1 && out[out.size() - 2].token == merge.token;
    if (!checked) id_of(0, std::string::npos);
    pairs.emplace_back(left << 31 | right, out.size() - 1);
  }
  std::sort(pairs.begin(), pairs.end());
  const auto twice =
      std::adjacent_find(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != pairs.end()) list.at(std::next(twice)->second).refuse("each merge once");
  return out;
}

// Upstream takes an added token's id from the vocabulary, or else counts on from the largest. It doesn't look at the id
// in the file. A file whose id differs from that is refused, because it could be read in two ways.
void read_added_tokens(const Node& list, TokenizerFile* file) {
  std::unordered_set<std::string> contents;
  int64_t next = static_cast<int64_t>(file->vocabulary.size());
  for (size_t i = 0; i < list.array().size(); ++i) {
    const Node node = list.at(i);
    const AddedToken token{node["content"].text(), node["id"].id(), node["lstrip"].flag(), node["rstrip"].flag()};
    if (token.content.empty() || !contents.insert(token.content).second)
      node["content"].refuse("a text that no other entry has");
    node["single_word"].require_flag(false);
    const auto known = file->vocabulary.find(token.content);
    const int64_t upstreams = known == file->vocabulary.end() ? next : known->second;
    if (token.id != upstreams) node["id"].refuse(std::to_string(upstreams) + ", which upstream would use");
    next = std::max(next, token.id + 1);
    (node["normalized"].flag() ? file->added_normalized : file->added).push_back(token);
  }
}

}  // namespace

TokenizerFile read_tokenizer_file(const std::filesystem::path& file) {
  const json root = read_json(file);
  const Node node(&root, file.string(), ": ");
  node["normalizer"].require_null();
  TokenizerFile out;
  out.pattern = read_pattern(node["pre_tokenizer"]);
  require_no_addition(node["post_processor"]);
  const Node model = node["model"];
  require_supported_model(model);
  out.ignore_merges = model["ignore_merges"].flag_or(false);
  out.vocabulary = read_vocabulary(model["vocab"]);
  out.merges = read_merges(model["merges"], out.vocabulary);
  read_added_tokens(node["added_tokens"], &out);
  return out;
}

const std::vector<std::string>& byte_alphabet() {
  static const std::vector<std::string> alphabet = [] {
    std::vector<std::string> characters(256);
    int32_t next = 256;
    for (int32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
      append_utf8(printable ? byte : next++, &characters[static_cast<size_t>(byte)]);
    }
    return characters;
  }();
  return alphabet;
}

}  // namespace glm
