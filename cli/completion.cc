#include "cli/completion.h"

#include <sstream>

#include "base/refuse.h"
#include "base/text.h"
#include "cli/options.h"
#include "glm/error.h"

namespace glm::cli {
namespace {

std::string words(const std::vector<std::string>& all) {
  std::string line;
  for (const std::string& word : all) line += (line.empty() ? "" : " ") + word;
  return line;
}

std::string command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands()) names.push_back(command.name);
  return words(names);
}

bool is_shown(const Option& option) {
  return !option.group.empty();
}

std::string opposite_help(const Option& option) {
  return "The opposite of --" + option.name;
}

// Quotes a text for any of these shells. None allows a "'" inside single quotes.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// Returns a bash pattern of a command's option: "generate:-s|generate:--seed".
std::string pattern(const Command& command, const Option& option) {
  const std::string begin = command.name + ":-";
  return (option.letter != 0 ? begin + option.letter + "|" : "") + begin + "-" + option.name;
}

// Returns the bash commands that set what completion offers in a place: words, files or nothing.
std::string bash_offers(const std::vector<std::string>& choices, bool file) {
  if (!choices.empty()) return "offers=" + quoted(words(choices));
  return file ? "files=yes" : ":";
}

// Returns the long names of a command's options, with the opposites of its switches.
std::vector<std::string> long_names(const Command& command) {
  std::vector<std::string> names = {"--help"};
  for (const Option& option : command.options) {
    if (!is_shown(option)) continue;
    names.push_back("--" + option.name);
    if (const std::string off = opposite(option); !off.empty()) names.push_back("--" + off);
  }
  return names;
}

// Readline takes = and : for ends of words, as in --size=16:9, and replaces what stands behind the last one alone. So
// the script puts the words together again, finds what fits, and cuts off what readline keeps.
constexpr const char* kBashBegin = R"(_glm_image_plain() {   # WORD -> REPLY, without quotes and backslashes
  local option=
  REPLY=$1
  [[ $REPLY != --*=* ]] || { option=${REPLY%%=*}= REPLY=${REPLY#*=}; }
  case $REPLY in
    \"*) REPLY=${REPLY//\"/};;
    \'*) REPLY=${REPLY//\'/};;
    *) REPLY=${REPLY//\\/};;
  esac
  REPLY=$option$REPLY
}
_glm_image() {
  local REPLY words=() rest=${COMP_LINE:0:COMP_POINT} piece gap i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    piece=${COMP_WORDS[i]} gap=${rest%%[^[:space:]]*}
    rest=${rest#"$gap"}
    [ "$i" != "$COMP_CWORD" ] || piece=$rest
    rest=${rest#"$piece"}
    if [ "$i" = 0 ] || [ -n "$gap" ]; then words+=("$piece"); else words[${#words[@]}-1]+=$piece; fi
  done
  local last=$((${#words[@]} - 1)) offers= files= option=
  local word=${words[last]} before=${words[last-1]}
  local kept=${word%"$piece"}
  [[ $piece != [=:]* ]] || kept=$word
  # Behind a quote that is open readline replaces nothing before it.
  [[ $word != --*=[\"\']* || $word == --*=\"*\"* || $word == --*=\'*\'* ]] || kept=${word%%=*}=
  _glm_image_plain "$kept"
  kept=$REPLY
  _glm_image_plain "$word"
  word=$REPLY
  [[ $word != --*=* ]] || { before=${word%%=*} option=${word%%=*}= word=${word#*=}; }
)";
constexpr const char* kBashEnd = R"(  COMPREPLY=()
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  elif [ -n "$offers" ]; then
    COMPREPLY=($(compgen -W "$offers" -- "$word"))
  fi
  for i in "${!COMPREPLY[@]}"; do
    piece=$option${COMPREPLY[i]}
    piece=${piece#"$kept"}
    # Bash sees whether a name is a folder's, but not whether the rest of one is, or one with its option before it.
    if [ -n "$files" ] && [ "$piece" != "${COMPREPLY[i]}" ] && [ -d "${COMPREPLY[i]}" ]; then
      piece+=/
      compopt -o nospace 2>/dev/null
    fi
    COMPREPLY[i]=$piece
  done
}
complete -F _glm_image glm-image
)";

std::string bash() {
  std::ostringstream out;
  out << "# glm-image completion bash > ~/.local/share/bash-completion/completions/glm-image\n"
      << kBashBegin << "  if [ \"$last\" = 1 ]; then\n    offers=" << quoted(command_names() + " --help --version")
      << "\n  else\n    case ${words[1]}:$before in\n";
  for (const Command& command : commands()) {
    for (const Option& option : command.options) {
      if (!is_shown(option) || option.is_switch()) continue;
      out << "      " << pattern(command, option) << ") " << bash_offers(option.choices, option.file) << ";;\n";
    }
    out << "      " << command.name
        << ":*)\n        if [[ $word == -* ]]; then\n          offers=" << quoted(words(long_names(command)))
        << "\n        else\n          " << bash_offers(command.argument_choices, command.argument_is_file);
    if (!command.paths.empty()) out << "\n          [ \"$last\" -le 2 ] || offers= files=yes";
    out << "\n        fi;;\n";
  }
  out << "    esac\n  fi\n" << kBashEnd;
  return out.str();
}

// Escapes a part of an _arguments specification, in which ":" and brackets have a meaning.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_values(const std::string& what, const std::vector<std::string>& choices, bool file) {
  std::string out = ":";
  out += zsh_text(what) + ":";
  if (!choices.empty()) {
    std::vector<std::string> escaped;
    escaped.reserve(choices.size());
    for (const std::string& choice : choices) escaped.push_back(zsh_text(choice));
    return out + "(" + words(escaped) + ")";
  }
  return out + (file ? "_files" : "( )");  // a lone space would be a message, which stops the others' completion
}

std::string zsh() {
  std::ostringstream out;
  out << "#compdef glm-image\n"
         "# glm-image completion zsh > ~/.zfunc/_glm-image, with fpath+=(~/.zfunc) before compinit in ~/.zshrc\n"
         "_glm_image() {\n"
         "  if (( CURRENT == 2 )); then\n"
         "    local -a commands=(\n";
  for (const Command& command : commands()) out << "      " << quoted(command.name + ":" + command.help) << "\n";
  out << "    )\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  local command=$words[2]\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $command in\n";
  for (const Command& command : commands()) {
    out << "    " << command.name << ")\n      _arguments";
    for (const Option& option : command.options) {
      if (!is_shown(option)) continue;
      std::string rest = "[";
      rest += zsh_text(option.help) + "]";
      if (!option.is_switch()) rest += zsh_values(option.value, option.choices, option.file);
      const std::string times = option.repeats ? "*" : "";
      out << " \\\n        " << quoted(times + "--" + option.name + rest);
      if (option.letter != 0) out << " \\\n        " << quoted(times + "-" + option.letter + rest);
      if (const std::string off = opposite(option); !off.empty()) {
        out << " \\\n        " << quoted("--" + off + "[" + zsh_text(opposite_help(option)) + "]");
      }
    }
    if (!command.argument.empty()) {
      std::string first = "1";
      first += zsh_values(command.argument, command.argument_choices, command.argument_is_file);
      out << " \\\n        " << quoted(first);
    }
    for (size_t i = 0; i < command.paths.size(); ++i) {
      out << " \\\n        " << quoted(std::to_string(i + 2) + zsh_values(command.paths[i], {}, true));
    }
    out << ";;\n";
  }
  out << "  esac\n"
         "}\n"
         "if [ \"$funcstack[1]\" = _glm-image ]; then _glm_image \"$@\"; else compdef _glm_image glm-image; fi\n";
  return out.str();
}

std::string fish() {
  std::ostringstream out;
  out << "# glm-image completion fish > ~/.config/fish/completions/glm-image.fish\n"
         "complete -c glm-image -f\n";
  for (const Command& command : commands()) {
    out << "complete -c glm-image -n __fish_use_subcommand -a " << command.name << " -d " << quoted(command.help)
        << "\n";
    const std::string here = "complete -c glm-image -n '__fish_seen_subcommand_from " + command.name + "'";
    for (const Option& option : command.options) {
      if (!is_shown(option)) continue;
      out << here << " -l " << option.name;
      if (option.letter != 0) out << " -s " << option.letter;
      if (!option.is_switch()) out << (option.file ? " -r -F" : " -x");
      if (!option.choices.empty()) out << " -a " << quoted(words(option.choices));
      out << " -d " << quoted(option.help) << "\n";
      if (const std::string off = opposite(option); !off.empty()) {
        out << here << " -l " << off << " -d " << quoted(opposite_help(option)) << "\n";
      }
    }
    if (!command.argument_choices.empty()) out << here << " -a " << quoted(words(command.argument_choices)) << "\n";
    if (command.argument_is_file || !command.paths.empty()) out << here << " -F\n";
  }
  return out.str();
}

// Escapes a text for roff, so that no line begins with a control character and no "-" becomes a hyphen.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
      out += c;
    }
  }
  return out;
}

void describe(std::ostringstream& out, const Option& option) {
  out << ".TP\n";
  if (option.letter != 0) out << "\\fB\\-" << option.letter << "\\fR, ";
  out << "\\fB\\-\\-" << roff(option.name) << "\\fR";
  if (!option.is_switch()) out << " \\fI" << roff(option.value) << "\\fR";
  if (const std::string off = opposite(option); !off.empty()) out << ", \\fB\\-\\-" << roff(off) << "\\fR";
  out << "\n" << roff(option.help) << ".\n";
}

}  // namespace

std::string completion(const std::string& shell) {
  if (shell == "bash") return bash();
  if (shell == "zsh") return zsh();
  if (shell == "fish") return fish();
  refuse("completion", "bash, zsh or fish", "\"" + shortened(shell, 60) + "\"");
}

std::string manual() {
  std::ostringstream out;
  out << ".TH GLM\\-IMAGE 1 \"\" \"glm\\-image " << GLM_VERSION
      << "\" \"User Commands\"\n.SH NAME\nglm\\-image \\- draws pictures with GLM\\-Image\n.SH SYNOPSIS\n";
  for (const Command& command : commands()) {
    out << ".B glm\\-image " << command.name << "\n" << (command.options.empty() ? "" : "[\\fIOPTION\\fR]... ");
    if (!command.argument.empty()) out << "\\fI" << command.argument << "\\fR";
    for (const std::string& path : command.paths) {
      out << (path == command.paths.front() ? " \\fI" + path + "\\fR" : " [\\fI" + path + "\\fR]");
    }
    out << "\n.br\n";
  }
  for (const Command& command : commands()) {
    out << ".SH " << command.name << "\n" << roff(command.help) << "\n";
    std::string group;
    for (const Option& option : command.options) {
      if (!is_shown(option)) continue;
      if (option.group != group && command.name == "generate") out << ".SS " << option.group << "\n";
      group = option.group;
      describe(out, option);
    }
  }
  out << ".SH ENVIRONMENT\nEach option of generate has a name in the environment: \\fB"
      << roff(environment_name("cfg-scale"))
      << "\\fR is \\fB\\-\\-cfg\\-scale\\fR; switches and their opposites are 1 or 0, and each line is a value of "
         "\\-\\-image and \\-\\-text.\n"
         ".SH FILES\n\\fI$XDG_CONFIG_HOME/glm\\-image/config.toml\\fR, else \\fI~/.config/glm\\-image/config.toml\\fR, "
         "has lines such as"
         " \\fBsteps = 20\\fR, named like the options (but for \\-\\-config). Where several give an option, the first "
         "of these counts: "
         "options, \\-\\-from, environment, "
         "\\-\\-config, this file, the checkpoint's glm_image.json, its other files.\n"
         ".SH EXIT STATUS\n0 done, 1 failure, 2 usage, 3 model missing or broken, 4 out of memory, 5 no such GPU or "
         "one "
         "that can't be used, 130 interrupted "
         "(to its parent: ended by that signal).\n";
  return out.str();
}

}  // namespace glm::cli
