#include "cli/terminal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "glm/error.h"

namespace glm::cli {
namespace {

unsigned byte_at(const std::string& text, size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

// Counts the bytes of the UTF-8 character that begins here; 0 where none does. Overlong forms and surrogates are none.
size_t length_at(const std::string& text, size_t at) {
  const unsigned first = byte_at(text, at);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (size_t k = 1; k < length; ++k) {
    if ((byte_at(text, at + k) & 0xC0) != 0x80) return 0;
  }
  const unsigned second = byte_at(text, at + 1);
  const bool wrong = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
                     (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
  return wrong ? 0 : length;
}

bool is_control(const std::string& text, size_t at) {
  const unsigned first = byte_at(text, at);
  return first < ' ' || first == 0x7F || (first == 0xC2 && byte_at(text, at + 1) < 0xA0);
}

std::string cleaned(const std::string& text, bool lines) {
  std::string clean;
  for (size_t at = 0; at < text.size();) {
    const size_t length = length_at(text, at);
    const bool stays = length > 0 && (!is_control(text, at) || (lines && text[at] == '\n'));
    clean += stays ? text.substr(at, length) : " ";
    at += length > 0 ? length : 1;
  }
  return clean;
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

void print(const std::string& text, const std::string& hint) {
  errno = 0;
  std::cout << (::isatty(STDOUT_FILENO) == 1 ? cleaned(text, /*lines=*/true) : text) << std::flush;
  if (!std::cout && errno != EPIPE) {
    throw Error(ErrorCode::io, "standard output can't be written (" + std::string(std::strerror(errno)) + ")" + hint);
  }
}

}  // namespace glm::cli
