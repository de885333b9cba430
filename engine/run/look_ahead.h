// What look-ahead decides: which tokens to guess, and how many to guess in a pass. A seed fixes the random numbers of
// each position, so a token is a function of the tokens before it. A pass feeds the last token and guesses of the next
// ones, and draws a token behind each of them. The draws up to the first one that differs from its guess, and that one
// too, are what a pass for each token would give. The other draws are the next pass's guesses. So these decisions
// change the time, and no token.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace glm {

// Reads the option --look-ahead. Returns how many rows a picture has in a pass: 1 for "off", a number from 1 to 16, or
// 0 for "auto". Throws Error(usage).
int64_t look_ahead_rows(const std::string& option);

// A picture's tokens, and what is guessed of those that aren't written yet.
class Guesses {
 public:
  // total: how many tokens are to be written.
  explicit Guesses(int64_t total) : total_(total) {}

  int64_t count() const { return static_cast<int64_t>(written_.size()); }
  int64_t total() const { return total_; }
  const std::vector<int64_t>& written() const { return written_; }

  // Returns the tokens that a pass of `rows` rows feeds: the last written one, and guesses of those behind it. A guess
  // is what the last pass drew at that position, or else the token before it. kernels/README.md says how good other
  // guesses were. At least one token has to be written already, and rows is at most total() - count().
  std::vector<int64_t> fed(int64_t rows) const;

  // Returns how many of a pass's draws are right. The first one is. Each later one is right when the ones before it
  // are, and its row was fed the draw before it. fed and drawn have one token for each row.
  static int64_t right(const std::vector<int64_t>& fed, const std::vector<int64_t>& drawn);

  // Writes the first `accepted` draws, and keeps the others as guesses.
  void take(const std::vector<int64_t>& drawn, int64_t accepted);

 private:
  int64_t total_;
  std::vector<int64_t> written_;
  std::vector<int64_t> drawn_;  // of the positions from count() on, by the last pass
};

// Chooses the number of rows of the next pass. It goes by the tokens that earlier passes wrote, and by their times.
class RowChooser {
 public:
  // asked: a fixed number of rows, 1 to 16; or 0, and the class chooses.
  explicit RowChooser(int64_t asked) : asked_(asked) {}

  // Returns how many rows each picture has in the next pass. pictures: how many pictures share the pass, 1 to 16. All
  // of them together have up to 16 rows. If the number of pictures has changed, this object forgets the times of
  // earlier passes.
  int64_t rows(int64_t pictures);

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
  void learn_time(double seconds);
  bool may_take(size_t choice) const {
    return choice < kChoices.size() && kChoices[choice] * pictures_ <= kChoices.back();
  }
  size_t fastest() const;
  void choose_next();

  int64_t asked_;
  int64_t pictures_ = 1;                              // so many pictures shared the last pass
  size_t choice_ = 2;                                 // place in kChoices of the fastest number so far
  size_t next_ = 2;                                   // the next pass's: choice_, or a neighbour that it measures
  std::array<double, kChoices.size()> seconds_ = {};  // of a pass; 0: not measured
  std::array<Share, kChoices.back()> places_ = {};    // how often the draw at each place of a pass was right
  Share draws_ = {};                                  // how often a draw behind a right one was right
  int64_t passes_ = 0;                                // since a neighbour was measured
  int64_t pause_ = 8;                                 // passes between two measurements of neighbours
  bool up_ = true;                                    // the next neighbour has more rows than the choice
};

}  // namespace glm
