#include "tokenizer/text_tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "base/refuse.h"
#include "glm/error.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe_model.h"
#include "tokenizer/regex_splitter.h"
#include "tokenizer/tokenizer_file.h"
#include "tokenizer/utf8.h"

namespace glm {

namespace {

using Ids = std::vector<int64_t>;

// Appends the ids of added tokens, and calls on_text for the stretches of text between them.
// Upstream: AddedVocabulary::find_matches.
template <typename OnText>
void split_out(const AddedTokenFinder& finder, std::string_view text, Ids* ids, const OnText& on_text) {
  size_t done = 0;
  while (const auto match = finder.find(text, done)) {
    std::string_view before = text.substr(done, match->begin - done);
    if (match->token->lstrip) before = strip_right(before, Space::unicode);
    if (!before.empty()) on_text(before);
    ids->push_back(match->token->id);
    done = match->end;
    if (match->token->rstrip) done = text.size() - strip_left(text.substr(done), Space::unicode).size();
  }
  if (done < text.size()) on_text(text.substr(done));
}

}  // namespace

struct TextTokenizer::Parts {
  explicit Parts(const std::filesystem::path& path) : Parts(path.string(), read_tokenizer_file(path)) {}
  Parts(std::string path, TokenizerFile contents)
      : source(std::move(path)),
        splitter(contents.pattern, source),
        bpe(contents),
        added(contents.added),
        added_normalized(contents.added_normalized),
        vocabulary(std::move(contents.vocabulary)),
        ignore_merges(contents.ignore_merges) {
    if (!bpe.warning().empty()) warnings.push_back(source + ": " + bpe.warning());
  }

  void encode_plain(std::string_view text, Ids* ids) const;

  std::string source;
  RegexSplitter splitter;
  BpeModel bpe;
  AddedTokenFinder added;
  AddedTokenFinder added_normalized;
  std::unordered_map<std::string, int64_t> vocabulary;
  bool ignore_merges;
  std::vector<std::string> warnings;
};

void TextTokenizer::Parts::encode_plain(std::string_view text, Ids* ids) const {
  const auto& alphabet = byte_alphabet();
  std::string word;
  for (const std::string_view piece : splitter.split(text)) {
    word.clear();
    for (const char byte : piece) word += alphabet[static_cast<uint8_t>(byte)];
    const auto whole = ignore_merges ? vocabulary.find(word) : vocabulary.end();
    if (whole != vocabulary.end()) {
      ids->push_back(whole->second);
    } else {
      bpe.encode(word, ids);
    }
  }
}

TextTokenizer::TextTokenizer(const std::filesystem::path& tokenizer_json)
    : parts_(std::make_unique<Parts>(tokenizer_json)) {}
TextTokenizer::~TextTokenizer() = default;
TextTokenizer::TextTokenizer(TextTokenizer&&) noexcept = default;
TextTokenizer& TextTokenizer::operator=(TextTokenizer&&) noexcept = default;

Ids TextTokenizer::encode(std::string_view text, bool parse_special) const {
  const std::string repaired = repair_utf8(text);
  Ids ids;
  const auto plain = [&](std::string_view stretch) { parts_->encode_plain(stretch, &ids); };
  if (parse_special) {
    split_out(parts_->added, repaired, &ids,
              [&](std::string_view stretch) { split_out(parts_->added_normalized, stretch, &ids, plain); });
  } else {
    plain(repaired);
  }
  return ids;
}

int64_t TextTokenizer::id_of(std::string_view token) const {
  for (const AddedTokenFinder* finder : {&parts_->added, &parts_->added_normalized}) {
    const auto match = finder->find(token, 0);
    if (match && match->begin == 0 && match->end == token.size()) return match->token->id;
  }
  const auto it = parts_->vocabulary.find(std::string(token));
  if (it == parts_->vocabulary.end()) {
    refuse(ErrorCode::model, parts_->source, "a token \"" + std::string(token) + "\"", "none",
           "is this file from the same checkpoint?");
  }
  return it->second;
}

const std::vector<std::string>& TextTokenizer::warnings() const {
  return parts_->warnings;
}

}  // namespace glm
