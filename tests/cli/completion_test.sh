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
mkdir "$work/files" "$work/files/a folder" "$work/files/x:y"
touch "$work/files/"{'two words.jpg',cat.jpg,'10:30.png','10:45.png','it=is.png','x:y/in.png','a folder/in.png',"it's.png"}
# A shell on a terminal of its own, to which a line and a key are typed; a last key shows what became of the line.
cat >"$work/type_bash.zsh" <<'END'
zmodload zsh/zpty
zpty shell "cd $1/files && env -i TERM=dumb HOME=$1 bash --noprofile --rcfile $2 -i"
while zpty -r shell line; do [[ $line == *ready* ]] && break; done
zpty -w -n shell "$3"$4$'\x14'
while zpty -r shell line; do [[ $line == *"<<"*">>"* ]] && break; done
line=${line##*<<}
print -r -- ${line%%>>*}
END
cat >"$work/rc" <<'END'
PS1=
bind 'set enable-bracketed-paste off' 'set bell-style none'
bind -x '"\C-t": echo "<<$READLINE_LINE>>"'
bind '"\C-o": insert-completions'
source ~/bash
echo ready
END
{ echo 'source /usr/share/bash-completion/bash_completion'; cat "$work/rc"; } >"$work/rc_with"
sed "1s/^/COMP_WORDBREAKS=\${COMP_WORDBREAKS\/\/[:=]\/}\n/" "$work/rc" >"$work/rc_breaks"
in_bash() { timeout 30 zsh -f "$work/type_bash.zsh" "$work" "$work/$rc" "$1" "${2:-$'\t'}" | sed 's/^glm-image //'; }
all=$'\x0f'
for rc in rc rc_with rc_breaks; do
  if [ $rc = rc_with ] && [ ! -e /usr/share/bash-completion/bash_completion ]; then echo "no bash-completion here"; continue; fi
  check() { expect "$rc: $1" "$(in_bash "glm-image $1" "${3:-}")" "$2"; }
  check 'ge' 'generate '
  check 'generate "a cat" --cfg' 'generate "a cat" --cfg-scale '
  check 'generate --no-ov' 'generate --no-overwrite '
  check 'generate --format ' 'generate --format jpg png webp ' "$all"
  check 'generate --format=we' 'generate --format=webp '
  check 'generate --size 16' 'generate --size 16:9 '
  check 'generate --size 16:' 'generate --size 16:9 '
  check 'generate --size=16:' 'generate --size=16:9 '
  check 'generate --precision prior=i' 'generate --precision prior=int'
  check 'generate --precision=prior=f' 'generate --precision=prior=fp8 '
  check 'generate -i ca' 'generate -i cat.jpg '
  check 'generate -i tw' 'generate -i two\ words.jpg '
  check 'generate -i two\ w' 'generate -i two\ words.jpg '
  check 'generate -i "two w' 'generate -i "two words.jpg" '
  check 'generate --image=tw' 'generate --image=two\ words.jpg '
  check 'generate --image="two w' 'generate --image="two words.jpg" '
  check 'generate -i 10:3' 'generate -i 10:30.png '
  check 'generate -i it=' 'generate -i it=is.png '
  check 'generate --image=10:4' 'generate --image=10:45.png '
  check 'generate -i x:y' 'generate -i x:y/'
  check 'generate -i x:y/' 'generate -i x:y/in.png '
  check 'generate -i a\ f' 'generate -i a\ folder/'
  check 'generate -i a\ folder/' 'generate -i a\ folder/in.png '
  check 'generate -i "a f' 'generate -i "a folder"/'
  check 'generate -i "a folder"/' 'generate -i a\ folder/in.png '
  check 'generate -i "a folder/' 'generate -i "a folder/in.png" '
  check 'generate --image=a' 'generate --image=a\ folder/'
  check 'generate --image=a\ f' 'generate --image=a\ folder/'
  check 'generate --image="a f' 'generate --image="a folder"/'
  check "generate --image='a f" "generate --image='a folder'/"
  check 'generate --image="a folder"/' 'generate --image=a\ folder/in.png '
  check 'generate --image=x:y' 'generate --image=x:y/'
  check 'generate --seed ' 'generate --seed '
  check 'generate ca' 'generate ca'
  check 'info tw' 'info two\ words.jpg '
  check 'completion f' 'completion fish '
  check 'weights ve' 'weights verify '
  check 'weights verify tw' 'weights verify two\ words.jpg '
done

"$program" completion fish >"$work/fish"
in_fish() {
  HOME=$work fish --no-config -c "source $work/fish; complete -C '$1'" | cut -f1 | tr '\n' ' ' | sed 's/ $//'
}
expect "fish: a command" "$(in_fish 'glm-image gen')" generate
expect "fish: an option" "$(in_fish 'glm-image generate --cfg')" --cfg-scale
expect "fish: an option's opposite" "$(in_fish 'glm-image generate --no-ov')" --no-overwrite
expect "fish: an option's values" "$(in_fish 'glm-image generate --format ')" "jpg png webp"
expect "fish: actions" "$(in_fish 'glm-image weights insp')" inspect
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
expect "zsh: a switch's opposite" "$(in_zsh 'glm-image generate --no-ov')" "glm-image generate --no-overwrite "
expect "zsh: an action" "$(in_zsh 'glm-image weights ve')" "glm-image weights verify "
expect "zsh: an action's folder" "$(in_zsh 'glm-image weights verify /et')" "glm-image weights verify /etc/"
expect "zsh: an option's values" "$(in_zsh 'glm-image generate --format we')" "glm-image generate --format webp "

"$program" man >"$work/page"
expect "man: groff's complaints" "$(groff -man -Tutf8 -ww -z "$work/page" 2>&1)" ""
groff -man -Tascii -P-cbou "$work/page" | grep -q -- '--cfg-scale X' || { echo "man: no option in it"; failed=1; }
exit $failed
