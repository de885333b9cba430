// What look-ahead decides: which tokens to guess, and how many to guess in a pass. A seed fixes the random numbers of
// each position, so a token is a function of the tokens before it. A pass feeds guesses behind the last token and draws
// at each of them. Everything up to and with the first draw that differs from its guess is what writing one token a
// pass would give; the other draws are the next pass's guesses. So these decisions change the time, and no token.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace glm {

// Returns the rows of a picture in a pass that an option asks for: 0 for "auto", 1 for "off", otherwise a number of 1
// to
// 16. Throws Error(usage).
int64_t look_ahead_rows(const std::string& option);

// A picture's tokens, and what is guessed of those that aren't written yet.
class Guesses {
 public:
  // total: how many tokens are to be written.
  explicit Guesses(int64_t total) : total_(total) {}

  int64_t count() const { return static_cast<int64_t>(written_.size()); }
  int64_t total() const { return total_; }
  const std::vector<int64_t>& written() const { return written_; }

  // Returns the tokens that a pass of `rows` rows feeds: the last one that is written, and guesses of those behind it.
  // A guess is what the last pass drew there, or else the token before it (kernels/README.md has what others gave). At
  // least one token is written; rows is at most total() - count().
  std::vector<int64_t> fed(int64_t rows) const;

  // Says how many of a pass's draws are right: the first, and each one whose row was fed the draw before it.
  // fed, drawn: as many as the pass had rows.
  static int64_t right(const std::vector<int64_t>& fed, const std::vector<int64_t>& drawn);

  // Writes the first `accepted` draws, and keeps the others as guesses.
  void take(const std::vector<int64_t>& drawn, int64_t accepted);

 private:
  int64_t total_;
  std::vector<int64_t> written_;
  std::vector<int64_t> drawn_;  // of the positions from count() on, by the last pass
};

// Chooses the number of rows of the next pass by the tokens and the time that passes have taken so far.
class RowChooser {
 public:
  // asked: 0 for the choice, otherwise a fixed number of rows, 1 to 16.
  explicit RowChooser(int64_t asked) : asked_(asked) {}

  // Returns the rows for each picture in the next pass, 1 to `most`.
  int64_t rows(int64_t most) const;

  // Tells how a pass went. accepted: how many draws were right, for each picture.
  void learn(int64_t rows, const std::vector<int64_t>& accepted, double seconds);

 private:
  static constexpr std::array<int64_t, 5> kChoices = {1, 2, 4, 8, 16};

  // Draws that were right, and all that were looked at.
  struct Share {
    double right = 0;
    double all = 0;
    void see(bool is_right);
  };

  double tokens_of(int64_t rows) const;
  void count(int64_t rows, int64_t accepted);
  size_t fastest() const;
  void choose_next();

  int64_t asked_;
  size_t choice_ = 2;                                 // the fastest so far, a place in kChoices
  size_t next_ = 2;                                   // of the next pass: choice_, or a neighbour to measure
  std::array<double, kChoices.size()> seconds_ = {};  // of a pass; 0: not measured
  std::array<Share, 16> places_ = {};                 // of the draws at each place of a pass
  Share draws_ = {};                                  // of all draws that follow a right one
  int64_t passes_ = 0;                                // since a neighbour was measured
  int64_t pause_ = 8;                                 // passes until the next one is
  bool up_ = true;                                    // it will have more rows
};

}  // namespace glm
