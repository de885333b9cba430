// Reads an address from each line and prints 1 where it is public, 0 where it isn't, and ? where it is none.
#include <iostream>
#include <string>

#include "network/address.h"

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto address = glm::parse_address(line);
    std::cout << (address ? (glm::is_global(*address) ? '1' : '0') : '?') << '\n';
  }
}
