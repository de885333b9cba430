// Pictures in the terminal.
#pragma once

#include <string>

#include "glm/image.h"

namespace glm::cli {

// Standard error, where that is a terminal that knows Kitty's protocol, iTerm2's, or sixel.
class TerminalPictures {
 public:
  TerminalPictures();  // finds out what the terminal knows, which may take a fifth of a second

  const std::string& problem() const { return problem_; }  // why no picture can be shown, or ""

  // Shows a picture, or does nothing where there is a problem.
  void show(const Image& image) const;

 private:
  enum class Protocol { none, kitty, iterm, sixel };

  Protocol protocol_ = Protocol::none;
  std::string problem_;
};

}  // namespace glm::cli
