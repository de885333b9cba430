#include "cli/words.h"

#include <algorithm>

#include "base/refuse.h"
#include "base/text.h"
#include "cli/options.h"
#include "glm/error.h"

namespace glm::cli {
namespace {

bool is_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-';
}

const Option* find_letter(const Command& command, char letter) {
  const auto found = std::find_if(command.options.begin(), command.options.end(),
                                  [&](const Option& o) { return o.letter != 0 && o.letter == letter; });
  return found == command.options.end() ? nullptr : &*found;
}

// Returns the option that the whole word names: --steps, --no-greedy or -s, or null.
const Option* find_word(const Command& command, const std::string& word) {
  if (!word.starts_with("--")) return word.size() == 2 && word[0] == '-' ? find_letter(command, word[1]) : nullptr;
  const Option* option = find_named(command, word.substr(2));
  return option == nullptr || option->is_argument ? nullptr : option;
}

// Returns the option that takes the next word as its value, or null. In -qs that is -s. In -s7 it is none, because the
// value stands in the same word.
const Option* find_taker(const Command& command, const std::string& word) {
  if (word.starts_with("--")) {
    const Option* option = find_word(command, word);
    return option == nullptr || option->is_switch() ? nullptr : option;
  }
  for (size_t at = 1; at < word.size(); ++at) {
    const Option* option = find_letter(command, word[at]);
    if (option == nullptr) return nullptr;
    if (!option->is_switch()) return at + 1 == word.size() ? option : nullptr;
  }
  return nullptr;
}

void check_value(const Command& command, const Option& option, const std::string& word, const std::string& next) {
  const bool is_other = find_word(command, next.substr(0, next.find('='))) != nullptr;
  if (next != "--" && next != "--help" && !is_other) return;
  refuse(ErrorCode::usage, word, "a value", "the option " + next,
         "write --" + option.name + "=" + next + " if that is meant");
}

// before: how many arguments stand before "--"
void check_behind(const Command& command, size_t before, const std::vector<std::string>& behind) {
  if (command.argument.empty() && !behind.empty()) {
    throw Error(ErrorCode::usage,
                "expected nothing after " + command.name + ", found \"" + shortened(behind[0], 60) + "\"");
  }
  const size_t most = 1 + command.paths.size();
  if (command.argument.empty() || before > most || before + behind.size() <= most) return;
  const std::string& extra = behind[most - before];
  const std::string what = command.name == "generate" ? "prompt" : command.argument;
  throw Error(ErrorCode::usage, "expected one " + what + ", also found \"" + shortened(extra, 60) + "\"; " +
                                    (is_option(extra) ? "put options before --" : "put all of it in quotes"));
}

}  // namespace

void check_words(const std::vector<std::string>& words) {
  const auto named = std::find_if(commands().begin(), commands().end(),
                                  [&](const Command& c) { return !words.empty() && c.name == words[0]; });
  if (named == commands().end()) return;
  size_t arguments = 0;
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "--") return check_behind(*named, arguments, {words.begin() + i + 1, words.end()});
    if (!is_option(words[i])) ++arguments;
    const Option* option = is_option(words[i]) ? find_taker(*named, words[i]) : nullptr;
    if (option == nullptr || i + 1 == words.size()) continue;
    check_value(*named, *option, words[i], words[i + 1]);
    ++i;
  }
}

}  // namespace glm::cli
