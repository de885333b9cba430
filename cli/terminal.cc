#include "cli/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "cli/characters.h"
#include "cli/interrupt.h"
#include "glm/error.h"

namespace glm::cli {
namespace {

std::string cleaned(const std::string& text, bool lines) {
  std::string clean;
  for (size_t at = 0; at < text.size();) {
    const Character next = character_at(text, at);
    const bool stays = is_printable(next.code_point) || (lines && next.code_point == '\n');
    clean += stays ? text.substr(at, next.length) : " ";
    at += next.length;
  }
  return clean;
}

// "\u001b", and two of them for a code point above U+FFFF
std::string escaped(int32_t code_point) {
  char text[16];
  if (code_point < 0x10000) {
    std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(code_point));
  } else {
    const auto rest = static_cast<unsigned>(code_point) - 0x10000;
    std::snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
  }
  return text;
}

}  // namespace

std::string printable(const std::string& text) {
  return cleaned(text, /*lines=*/false);
}

void tell(const std::string& text) {
  std::cerr << cleaned(text, /*lines=*/true) << std::flush;
}

void check_told() {
  if (!std::cerr) throw Error(ErrorCode::io, "standard error can't be written");
}

void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    // Opened the wrong way round, so that its use still fails. The lowest free number is taken, which is this one.
    const int flags = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", flags) != descriptor) return;
  }
}

void print(const std::string& text, const std::string& still_there) {
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  errno = 0;
  std::cout << (is_terminal ? cleaned(text, /*lines=*/true) : text) << std::flush;
  const int problem = errno;
  if (std::cout || (problem == EPIPE && !still_there.empty())) return;
  if (problem == EPIPE) end_by_closed_pipe();
  throw Error(ErrorCode::io,
              "standard output can't be written (" + std::string(std::strerror(problem)) + ")" + still_there);
}

void print_json(const std::string& json, const std::string& still_there) {
  std::string line;
  line.reserve(json.size() + 1);
  for (size_t at = 0; at < json.size();) {
    const auto plain = std::find_if(json.begin() + static_cast<std::ptrdiff_t>(at), json.end(),
                                    [](char c) { return c < ' ' || c > '~'; });
    const auto end = static_cast<size_t>(plain - json.begin());
    line.append(json, at, end - at);
    at = end;
    if (at == json.size()) break;
    const Character next = character_at(json, at);
    line += is_printable(next.code_point) ? json.substr(at, next.length) : escaped(next.code_point);
    at += next.length;
  }
  print(line + "\n", still_there);
}

}  // namespace glm::cli
