// Writes the tokens of up to 16 pictures. A pass over the prior's weights serves all of them and, with look-ahead,
// several positions of each. A RowPasses computes the passes.
// Upstream: GenerationMixin._sample over GlmImageTextModel
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/run/look_ahead.h"
#include "engine/run/token_rules.h"

namespace glm {

// A row of a pass: a token that is fed, and the position behind it, whose token is drawn.
struct PassRow {
  int64_t picture = 0;  // its number
  int64_t place = 0;    // of the fed token in the sequence, from the prompt's beginning
  int64_t token = 0;    // what is fed
  int64_t count = 0;    // tokens of the picture before the one that is drawn
};

struct Draw {
  int64_t token = 0;
  bool is_finite = true;  // whether all logits of the row were finite
};

// Computes passes on some device, for pictures whose prompts have been fed.
class RowPasses {
 public:
  virtual ~RowPasses() = default;

  // Draws the first token of each picture, from its prompt's logits.
  virtual std::vector<Draw> draw_first() = 0;

  // Gets ready for a pass of so many rows. This isn't counted as a pass's time.
  virtual void prepare(int64_t rows) = 0;

  // Feeds 1 to 16 rows, and draws a token behind each by the random numbers of that position. The rows of a picture
  // lie one after another, and each of their places is the one before plus 1. poll: called several times where the pass
  // is long; may throw to stop.
  virtual std::vector<Draw> draw(std::span<const PassRow> rows, const std::function<void()>& poll) = 0;

  // Tells that the draws of `count` rows of the last pass, from row `first` on, have been written.
  virtual void accept(int64_t picture, int64_t first, int64_t count) = 0;

 protected:
  RowPasses() = default;
  RowPasses(const RowPasses&) = default;
  RowPasses(RowPasses&&) = default;
  RowPasses& operator=(const RowPasses&) = default;
  RowPasses& operator=(RowPasses&&) = default;
};

class LookAheadWriter {
 public:
  struct Picture {
    int64_t prompt_length = 0;
    int64_t cells = 0;  // image tokens to write; one more token, normally the end, follows
  };

  // Draws the first token of each picture. pictures: 1 to 16, the same as those of `passes`, which has to outlive this
  // object. rows: how many rows a picture has in a pass; 0 means the number that turns out to be fastest.
  LookAheadWriter(RowPasses& passes, const std::vector<Picture>& pictures, const TokenRules& rules, int64_t rows);

  // Writes the tokens of each picture: cells + 1, less where an unmasked picture ended early. May be called once. done:
  // called at the beginning and after each pass with the number of tokens that all pictures have together; may throw to
  // stop. poll: called before each pass, and in it as RowPasses::draw says. Throws Error(model) when logits are not
  // finite.
  std::vector<std::vector<int64_t>> run(const std::function<void(int64_t)>& done, const std::function<void()>& poll);

  int64_t passes() const { return count_; }  // over the weights

 private:
  struct State {
    int64_t prompt_length = 0;
    Guesses guesses;
    bool has_ended = false;
  };

  void pass(const std::function<void()>& poll);
  int64_t accept(State& picture, const std::vector<Draw>& drawn, int64_t right);

  RowPasses& passes_;
  TokenRules rules_;
  RowChooser chooser_;
  std::vector<State> pictures_;
  int64_t count_ = 0;
};

}  // namespace glm
