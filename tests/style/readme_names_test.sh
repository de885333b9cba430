#!/usr/bin/env bash
# readme_names.py must see a name that isn't there: in a small tree whose names are all right, and then with one wrong at a time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"
git init -q .
mkdir -p cli engine/run include/glm tests/engine tests/goldens
cat >cli/options.cc <<'END'
flag("dry-run", 0, g, ""), value("seed", 's', "N", g, "");
Command{"generate", "man"};  // glm-image
END
echo 'class Pipeline { void draw(); };' >include/glm/pipeline.h
echo 'tap.stage("latents", x);' >engine/run/steps.cc
cat >tests/engine/CMakeLists.txt <<'END'
glm_add_tests(engine_tests dit_test.cc)
foreach(part one two)
  glm_add_command_test(nano.${part} COMMAND true)
END
printf 'TEST_P(Dit, Draws) {\nTEST(Vae,\n     Decodes) {' | tee tests/engine/dit_test.cc >tests/engine/not_built_test.cc
sed -i 's/Vae/Lost/' tests/engine/not_built_test.cc
header='{"step0.out":{}}'
{ printf "\\x$(printf %02x ${#header})"'\0\0\0\0\0\0\0'; printf '%s' "$header"; } >tests/goldens/case.safetensors
echo 'exec glm-image "$@"  # --quick: less' >run.sh
printf '/build/\n' >.gitignore

check() { # whether the names in this text are all right
  echo "$1" >engine/README.md
  git add -A
  python3 "$here/readme_names.py" >found 2>&1
}
while read -r text; do
  check "$text" || { echo "a right text was refused: $text: $(cat found)"; exit 1; }
done <<'END'
`Dit.Draws`, `Vae.Decodes`, `nano.two`, `engine_tests`, `engine_tests/2`
`--dry-run`, `-s SEED`, `--seed 1,5`, `./run.sh --quick`, `run.sh --seed 1`, `GLM_IMAGE_DRY_RUN`, `glm-image man`
`run/steps.cc`, `engine/run`, `run/`, `../cli/options.cc`, `options.cc`, `glm/pipeline.h`, `run/{steps,steps}.cc`, `../tests/*/NAME_test.cc`
`build/engine_tests`, `build/`, `step0.out`, `step{k}.out`, `Pipeline::draw()`, `Pipeline`, `tap.stage("latents")`, `[P, 3, H]`, `12x7`
[the engine](run/steps.cc), [elsewhere](https://example.com)
END
while read -r text; do
  if check "$text"; then echo "not seen: $text"; exit 1; fi
done <<'END'
`Dit.Paints`
`Lost.Decodes`
`nano.three`
`Engine.Draws`
`--dry-walk`
`-x`
`./run.sh --slow`
`./walk.sh`
`GLM_IMAGE_WALK`
`glm-image woman`
`run/steps.h`
`walk/`
`steps_stage.cc`
`run/{steps,walks}.cc`
`../tests/*/NAME_check.cc`
`build/other_tests`
`step{k}.in`
`Pipeline::latents`
`PipeLine`
`tap.stage("pixels")`
[the engine](run/walks.cc)
END
printf '```cpp\nPipeline().paint();\n```\n' >README.md
if check ""; then echo "not seen: a name in a fence"; exit 1; fi
printf 'x\n' >README.md
check "" || { cat found; exit 1; }
