#include "cli/show.h"

#include <poll.h>
#include <sixel.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64.h"
#include "glm/encode.h"

namespace glm::cli {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Says whether this process may ask the terminal: one that runs in the background would be stopped for it.
bool in_background(int terminal) {
  const pid_t group = ::tcgetpgrp(terminal);
  return group > 0 && group != ::getpgrp();
}

// Asks the terminal for its attributes and returns its answer, which ends with c. It is empty where none comes within a
// fifth of a second.
std::string attributes(int terminal) {
  termios before{};
  if (::tcgetattr(terminal, &before) != 0) return {};
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  if (::tcsetattr(terminal, TCSANOW, &raw) != 0) return {};
  std::string answer;
  const std::string_view question = "\033[c";
  if (::write(terminal, question.data(), question.size()) == static_cast<ssize_t>(question.size())) {
    pollfd ready{.fd = terminal, .events = POLLIN, .revents = 0};
    char bytes[64];
    while (!answer.ends_with('c') && answer.size() < 256 && ::poll(&ready, 1, 200) == 1) {
      const ssize_t n = ::read(terminal, bytes, sizeof bytes);
      if (n <= 0) break;
      answer.append(bytes, static_cast<size_t>(n));
    }
  }
  ::tcsetattr(terminal, TCSANOW, &before);
  return answer;
}

// Calls attributes(), and makes sure that the terminal gets its settings back. When the user sends the process into the
// background meanwhile, the system stops it by a signal as soon as it uses the terminal. Here that signal waits until
// attributes() has returned.
std::string attributes_undisturbed(int terminal) {
  sigset_t stops;
  sigset_t before;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTTOU);
  sigaddset(&stops, SIGTTIN);
  pthread_sigmask(SIG_BLOCK, &stops, &before);
  std::string answer = attributes(terminal);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return answer;
}

// In an answer such as "\033[?62;4;22c" the 4 means sixel.
bool has_sixel(const std::string& answer) {
  return answer.starts_with("\033[?") &&
         (answer.find(";4;") != std::string::npos || answer.find(";4c") != std::string::npos);
}

// Returns the name of a program, such as tmux, that stands between this one and the terminal, else "". It doesn't hand
// on what it doesn't know, so the terminal's own variables, which are inherited, say nothing.
std::string multiplexer() {
  const std::string term = variable("TERM");
  if (term == "xterm-kitty" || term == "xterm-ghostty") return "";  // a terminal that was started from within tmux
  if (!variable("TMUX").empty() || term.starts_with("tmux")) return "tmux";
  if (!variable("STY").empty() || term.starts_with("screen")) return "screen";
  return variable("ZELLIJ").empty() ? "" : "zellij";
}

// Kitty takes parts of at most 4096 letters. Each says with m whether more follow.
void show_kitty(const Image& image) {
  const std::string text = base64(encode_picture(image, PictureFormat::png, 100, {}));
  constexpr size_t part = 4096;
  for (size_t at = 0; at < text.size(); at += part) {
    std::cerr << "\033_G" << (at == 0 ? "a=T,f=100," : "") << "m=" << (at + part < text.size() ? 1 : 0) << ";"
              << text.substr(at, part) << "\033\\";
  }
}

void show_iterm(const Image& image) {
  const std::vector<uint8_t> bytes = encode_picture(image, PictureFormat::png, 100, {});
  std::cerr << "\033]1337;File=inline=1;size=" << bytes.size() << ":" << base64(bytes) << "\a";
}

int write_sixel(char* data, int size, void* /*context*/) {
  std::cerr.write(data, size);
  return size;
}

template <typename T, void (*unref)(T*)>
struct Unref {
  void operator()(T* object) const { unref(object); }
};

void show_sixel(const Image& image) {
  sixel_output_t* output = nullptr;
  sixel_dither_t* dither = nullptr;
  if (SIXEL_FAILED(sixel_output_new(&output, write_sixel, nullptr, nullptr))) return;
  const std::unique_ptr<sixel_output_t, Unref<sixel_output_t, sixel_output_unref>> owned(output);
  if (SIXEL_FAILED(sixel_dither_new(&dither, 256, nullptr))) return;
  const std::unique_ptr<sixel_dither_t, Unref<sixel_dither_t, sixel_dither_unref>> owned_dither(dither);
  std::vector<uint8_t> pixels = image.rgb;
  const auto width = static_cast<int>(image.width);
  const auto height = static_cast<int>(image.height);
  if (SIXEL_FAILED(sixel_dither_initialize(dither, pixels.data(), width, height, SIXEL_PIXELFORMAT_RGB888,
                                           SIXEL_LARGE_AUTO, SIXEL_REP_AUTO, SIXEL_QUALITY_AUTO))) {
    return;
  }
  sixel_encode(pixels.data(), width, height, 3, dither, output);
}

}  // namespace

TerminalPictures::TerminalPictures() {
  const int terminal = STDERR_FILENO;
  if (::isatty(terminal) != 1) {
    problem_ = "standard error is no terminal";
    return;
  }
  const std::string between = multiplexer();
  const std::string program = variable("TERM_PROGRAM");
  const std::string term = variable("TERM");
  if (between.empty() && (!variable("KITTY_WINDOW_ID").empty() || term == "xterm-kitty" || program == "ghostty")) {
    protocol_ = Protocol::kitty;
  } else if (between.empty() && (program == "iTerm.app" || program == "WezTerm" || program == "mintty")) {
    protocol_ = Protocol::iterm;
  } else if (in_background(terminal)) {
    problem_ = "the terminal can't be asked for its kind from the background";
  } else if (has_sixel(attributes_undisturbed(terminal))) {
    protocol_ = Protocol::sixel;
  } else {
    problem_ = (between.empty() ? "this terminal" : between + ", which stands before the terminal,") +
               " shows no pictures" + (between.empty() ? " (known are Kitty's and iTerm2's protocols, and sixel)" : "");
  }
}

void TerminalPictures::show(const Image& image) const {
  switch (protocol_) {
    case Protocol::none:
      return;
    case Protocol::kitty:
      show_kitty(image);
      break;
    case Protocol::iterm:
      show_iterm(image);
      break;
    case Protocol::sixel:
      show_sixel(image);
      break;
  }
  std::cerr << "\n" << std::flush;
}

}  // namespace glm::cli
