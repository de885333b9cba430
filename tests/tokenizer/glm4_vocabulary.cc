#include "tests/tokenizer/glm4_vocabulary.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"
#include "tokenizer/tokenizer_file.h"

namespace glm::test {

namespace {

using nlohmann::json;

constexpr int kFirstId = 16512;
constexpr const char* kPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::vector<std::string> read_tokens() {
  const std::string file =
      read_file(std::filesystem::path(GLM_SOURCE_DIR) / "tests/data/glm4_tiktoken.model", 3'000'000);
  std::istringstream lines(file);
  std::vector<std::string> tokens;
  std::string text;
  for (size_t rank = 0; lines >> text >> rank; tokens.emplace_back(as_text(*base64_bytes(text)))) {
    if (rank != tokens.size()) throw std::runtime_error("the vocabulary's ranks are not 0, 1, 2, ...");
  }
  return tokens;
}

std::string in_byte_alphabet(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) text += byte_alphabet()[static_cast<uint8_t>(byte)];
  return text;
}

json closed_merges(const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, size_t> ranks;
  for (size_t rank = 0; rank < tokens.size(); ++rank) ranks.emplace(tokens[rank], rank);
  json merges = json::array();
  for (const std::string_view token : tokens) {
    std::vector<std::array<size_t, 2>> splits;  // ranks of both parts
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = ranks.find(token.substr(0, cut));
      const auto right = left == ranks.end() ? left : ranks.find(token.substr(cut));
      if (right != ranks.end()) splits.push_back({left->second, right->second});
    }
    std::sort(splits.begin(), splits.end());
    for (const auto& [left, right] : splits) {
      merges.push_back(json::array({in_byte_alphabet(tokens[left]), in_byte_alphabet(tokens[right])}));
    }
  }
  return merges;
}

}  // namespace

std::string glm4_tokenizer_json() {
  const std::vector<std::string> tokens = read_tokens();
  json added = json::array();
  json vocabulary = json::object();
  const auto add_special = [&](const std::string& content) {
    added.push_back({{"id", added.size() < kFirstId ? added.size() : added.size() + tokens.size()},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  };
  for (int id = 0; id < kFirstId; ++id) {
    const std::string content = "<|dit_token_" + std::to_string(id) + "|>";
    vocabulary[content] = id;
    add_special(content);
  }
  for (size_t rank = 0; rank < tokens.size(); ++rank) vocabulary[in_byte_alphabet(tokens[rank])] = kFirstId + rank;
  for (const char* content : {"<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>",
                              "<|user|>", "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>",
                              "<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>"}) {
    add_special(content);
  }
  const json regex = {{"Regex", kPattern}};
  const json split = {{"type", "Split"}, {"pattern", regex}, {"behavior", "Isolated"}, {"invert", false}};
  const json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  return json({{"version", "1.0"},
               {"truncation", nullptr},
               {"padding", nullptr},
               {"added_tokens", std::move(added)},
               {"normalizer", nullptr},
               {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json::array({split, bytes})}}},
               {"post_processor", nullptr},
               {"decoder", bytes},
               {"model",
                {{"type", "BPE"},
                 {"dropout", nullptr},
                 {"unk_token", nullptr},
                 {"continuing_subword_prefix", nullptr},
                 {"end_of_word_suffix", nullptr},
                 {"fuse_unk", false},
                 {"byte_fallback", false},
                 {"ignore_merges", true},
                 {"vocab", std::move(vocabulary)},
                 {"merges", closed_merges(tokens)}}}})
      .dump();
}

}  // namespace glm::test
