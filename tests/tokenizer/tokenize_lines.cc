// The program that weights_tools/reference/fuzz_tokenizer.py drives: ids of texts that come by standard input.
//
// A batch: the number of texts, 1 or 0 for parse_special, then for each text its length and its bytes. The answer, when
// the whole batch is read: for each text the number of its ids and the ids. Numbers have 4 bytes, the low one first.
#include <exception>
#include <iostream>

#include "tokenizer/text_tokenizer.h"

namespace {

bool read_number(uint32_t* number) {
  uint8_t bytes[4];
  if (!std::cin.read(reinterpret_cast<char*>(bytes), sizeof bytes)) return false;
  *number = bytes[0] | bytes[1] << 8U | bytes[2] << 16U | static_cast<uint32_t>(bytes[3]) << 24U;
  return true;
}

void append_number(uint32_t number, std::string* out) {
  for (uint32_t shift = 0; shift < 32; shift += 8) *out += static_cast<char>(number >> shift & 0xFFU);
}

}  // namespace

int main(int count, char** arguments) try {
  if (count != 2) throw std::runtime_error("expected one argument: tokenizer.json");
  std::ios::sync_with_stdio(false);
  const glm::TextTokenizer tokenizer(arguments[1]);
  for (const std::string& warning : tokenizer.warnings()) std::cerr << warning << '\n';
  uint32_t texts = 0;
  uint32_t parse_special = 0;
  while (read_number(&texts) && read_number(&parse_special)) {
    std::string answer;
    for (; texts > 0; --texts) {
      uint32_t size = 0;
      if (!read_number(&size)) throw std::runtime_error("the batch ends early");
      std::string text(size, '\0');
      if (!std::cin.read(text.data(), size)) throw std::runtime_error("the batch ends early");
      const std::vector<int64_t> ids = tokenizer.encode(text, parse_special != 0);
      append_number(static_cast<uint32_t>(ids.size()), &answer);
      for (const int64_t id : ids) append_number(static_cast<uint32_t>(id), &answer);
    }
    std::cout << answer << std::flush;
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
