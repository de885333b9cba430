#include "tokenizer/bpe_model.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <unordered_set>

#include "glm/error.h"

namespace glm {

namespace {

// What the list of merges says about one token.
struct Merged {
  size_t rank;                 // of its first merge
  size_t last;                 // of its last merge
  std::vector<size_t> splits;  // where its merges cut it, in bytes
};

using MergedTokens = std::unordered_map<std::string, Merged>;

// Collects the merges of each token. *apart counts those that don't stand directly behind their token's others.
MergedTokens collect(const std::vector<TokenizerFile::Merge>& merges, size_t* apart) {
  MergedTokens out;
  out.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto [it, is_new] = out.try_emplace(merges[rank].token, Merged{rank, rank, {}});
    if (!is_new && it->second.last + 1 != rank) ++*apart;
    it->second.last = rank;
    it->second.splits.push_back(merges[rank].split);
  }
  return out;
}

// Counts the splits of merged tokens into two pieces that SentencePiece would merge and upstream wouldn't.
size_t count_missing(const MergedTokens& merged) {
  const auto& bytes = byte_alphabet();
  std::unordered_set<std::string_view> pieces(bytes.begin(), bytes.end());
  pieces.reserve(bytes.size() + merged.size());
  for (const auto& [token, _] : merged) pieces.insert(token);
  size_t missing = 0;
  for (const auto& [token, about] : merged) {
    const std::string_view text = token;
    for (size_t cut = 1; cut < text.size(); ++cut) {
      if ((static_cast<uint8_t>(text[cut]) & 0xC0) == 0x80) continue;  // within a character
      const bool listed = std::find(about.splits.begin(), about.splits.end(), cut) != about.splits.end();
      if (!listed && pieces.contains(text.substr(0, cut)) && pieces.contains(text.substr(cut))) ++missing;
    }
  }
  return missing;
}

// Writes a message in protobuf's wire format, because Debian ships no sentencepiece_model.pb.h. Field numbers are those
// of sentencepiece_model.proto.
class Message {
 public:
  void number(uint32_t field, uint32_t value) {
    varint(field << 3U);
    varint(value);
  }
  void real(uint32_t field, float value) {
    varint(field << 3U | 5U);
    const auto bits = std::bit_cast<uint32_t>(value);
    for (uint32_t shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift & 0xFFU);
  }
  void bytes(uint32_t field, std::string_view value) {
    varint(field << 3U | 2U);
    varint(static_cast<uint32_t>(value.size()));
    bytes_ += value;
  }
  const std::string& text() const { return bytes_; }

 private:
  void varint(uint32_t value) {
    for (; value >= 0x80; value >>= 7U) bytes_ += static_cast<char>((value & 0x7FU) | 0x80U);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

constexpr uint32_t kUnknownPiece = 2;  // SentencePiece.Type

void add_piece(std::string_view text, float score, Message* model, uint32_t type = 1) {
  Message piece;
  piece.bytes(1, text);
  piece.real(2, score);
  piece.number(3, type);
  model->bytes(1, piece.text());
}

// Adds trainer_spec {model_type: BPE} and normalizer_spec {identity; no dummy prefix, no white space removed or
// escaped}.
void add_specs(Message* model) {
  Message trainer;
  trainer.number(3, 2);
  model->bytes(2, trainer.text());
  Message normalizer;
  normalizer.bytes(1, "identity");
  for (uint32_t field : {3U, 4U, 5U}) normalizer.number(field, 0);
  model->bytes(3, normalizer.text());
}

}  // namespace

BpeModel::BpeModel(const TokenizerFile& file) : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {
  size_t apart = 0;
  const MergedTokens merged = collect(file.merges, &apart);
  if (const size_t missing = count_missing(merged); missing + apart > 0) {
    warning_ = std::to_string(missing) + " possible merges are not listed and " + std::to_string(apart) +
               " don't stand next to the other merges of their token; rare texts can get other ids than upstream's";
  }
  Message model;
  add_piece(" ", 0, &model,
            kUnknownPiece);  // required; a space isn't in the byte alphabet, so it is never met
  ids_.push_back(-1);
  for (const std::string& character : byte_alphabet()) {
    add_piece(character, 0, &model);
    ids_.push_back(file.vocabulary.at(character));
  }
  for (const auto& [token, about] : merged) {
    // fp32 counts exactly up to 16,777,216. A file with more merges is larger than 256 MiB, and is refused.
    add_piece(token, -static_cast<float>(about.rank), &model);
    ids_.push_back(file.vocabulary.at(token));
  }
  add_specs(&model);
  if (const auto status = processor_->LoadFromSerializedProto(model.text()); !status.ok()) {
    throw Error(ErrorCode::internal, "SentencePiece refuses the vocabulary: " + status.ToString());
  }
}

BpeModel::~BpeModel() = default;
BpeModel::BpeModel(BpeModel&&) noexcept = default;
BpeModel& BpeModel::operator=(BpeModel&&) noexcept = default;

void BpeModel::encode(std::string_view word, std::vector<int64_t>* ids) const {
  std::vector<int> found;
  if (const auto status = processor_->Encode(word, &found); !status.ok()) {
    throw Error(ErrorCode::internal, "SentencePiece can't encode a text: " + status.ToString());
  }
  for (const int id : found) ids->push_back(ids_[static_cast<size_t>(id)]);
}

}  // namespace glm
