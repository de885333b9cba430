#include "cli/hint.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/text.h"

namespace glm::cli {
namespace {

// Returns how many letters have to be put in, taken out or replaced to turn one word into the other.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t corner = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = corner + (a[i] == b[j] ? 0 : 1);
      corner = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

}  // namespace

std::string hint(const Command& command, const std::string& name,
                 const std::function<std::string(const Option&)>& spell) {
  std::string word = lower_case(name.substr(0, name.find('=')).substr(0, 60));  // "--cfg_scale=2" is no value's fault
  word.erase(0, word.find_first_not_of('-'));
  std::replace(word.begin(), word.end(), '_', '-');
  const Option* nearest = nullptr;
  size_t least = std::min<size_t>(3, word.size() / 2);  // so far, and no further, a name is taken for misspelt
  for (const Option& option : command.options) {
    if (option.group.empty()) continue;
    const bool begins = word.size() >= 3 && option.name.starts_with(word);
    const size_t away = begins ? 1 : distance(word, option.name);
    if (away >= least) continue;
    least = away;
    nearest = &option;
  }
  return nearest == nullptr ? "" : "; did you mean " + spell(*nearest) + "?";
}

}  // namespace glm::cli
