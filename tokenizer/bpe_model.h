// Byte-pair merging, done by SentencePiece on a model built in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer_file.h"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace glm {

// Upstream: tokenizers' models.BPE.
//
// SentencePiece merges the adjacent pair whose union has the best score, whenever that union is a piece. Upstream
// merges the pair that stands first in the list of merges. With score = -rank both agree if the list is closed: it has
// every split of a merged token into two pieces, and the splits of one token stand side by side. `warning` says how far
// a list is from that.
class BpeModel {
 public:
  // Throws Error(internal) when SentencePiece refuses the model. That can't happen with a checked TokenizerFile.
  explicit BpeModel(const TokenizerFile& file);
  ~BpeModel();
  BpeModel(BpeModel&&) noexcept;
  BpeModel& operator=(BpeModel&&) noexcept;

  // Appends the ids of one word in GPT-2's byte alphabet. Thread safe.
  void encode(std::string_view word, std::vector<int64_t>* ids) const;

  const std::string& warning() const { return warning_; }  // empty: the list of merges is closed

 private:
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  std::vector<int64_t> ids_;  // by SentencePiece's id
  std::string warning_;
};

}  // namespace glm
