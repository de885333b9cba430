#!/usr/bin/env bash
# The completions in the shells themselves, and the manual page in groff.  completion_test.sh GLM_IMAGE
set -euo pipefail
program=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
expect() {   # WHAT FOUND WANTED
  [ "$2" = "$3" ] || { echo "$1: expected \"$3\", found \"$2\""; failed=1; }
}

"$program" completion bash >"$work/bash"
in_bash() {   # the words after "glm-image", the last one to be completed -> the offers in a line
  bash -c 'source "$0"; COMP_WORDS=(glm-image "$@"); COMP_CWORD=$#; _glm_image; echo "${COMPREPLY[*]}"' "$work/bash" "$@"
}
expect "bash: a command" "$(in_bash ge)" generate
expect "bash: an option" "$(in_bash generate "a cat" --cfg)" --cfg-scale
expect "bash: an option's values" "$(in_bash generate --format "")" "png jpg webp"
expect "bash: a letter's files" "$(cd "$work" && touch cat.jpg && in_bash generate -i ca)" cat.jpg
expect "bash: shells" "$(in_bash completion f)" fish

"$program" completion fish >"$work/fish"
in_fish() {
  HOME=$work fish --no-config -c "source $work/fish; complete -C '$1'" | cut -f1 | tr '\n' ' ' | sed 's/ $//'
}
expect "fish: a command" "$(in_fish 'glm-image gen')" generate
expect "fish: an option" "$(in_fish 'glm-image generate --cfg')" --cfg-scale
expect "fish: an option's values" "$(in_fish 'glm-image generate --format ')" "jpg png webp"
expect "fish: shells" "$(in_fish 'glm-image completion z')" zsh

mkdir "$work/functions"
"$program" completion zsh >"$work/functions/_glm-image"
# A line editor of its own, to which a line and the key are typed; the last widget shows what it made of the line.
cat >"$work/type.zsh" <<'END'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= PS2=; unsetopt zle_bracketed_paste 2>/dev/null; fpath=($1 \$fpath); autoload -U compinit; compinit -D -u"
zpty -w shell 'show() { print -r -- "<<$BUFFER>>"; zle send-break }; zle -N show; bindkey "^X" show; print rea""dy'
while zpty -r shell line; do [[ $line == *ready* ]] && break; done
zpty -w -n shell "$2"$'\t\x18'
while zpty -r shell line; do [[ $line == *"<<"*">>"* ]] && break; done
line=${line##*<<}
print -r -- ${line%%>>*}
END
in_zsh() { timeout 30 zsh -f "$work/type.zsh" "$work/functions" "$1"; }
expect "zsh: a command" "$(in_zsh 'glm-image gen')" "glm-image generate "
expect "zsh: an option" "$(in_zsh 'glm-image generate --cfg')" "glm-image generate --cfg-scale "
expect "zsh: an option's values" "$(in_zsh 'glm-image generate --format we')" "glm-image generate --format webp "

"$program" man >"$work/page"
expect "man: groff's complaints" "$(groff -man -Tutf8 -ww -z "$work/page" 2>&1)" ""
groff -man -Tascii -P-cbou "$work/page" | grep -q -- '--cfg-scale X' || { echo "man: no option in it"; failed=1; }
exit $failed
