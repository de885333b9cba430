#!/usr/bin/env bash
# Habits that a grep can see. Prints each place that breaks one and fails.
set -euo pipefail
failed=0
report() { [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; failed=1; }; }
library="include base kernels tokenizer pictures network media engine tasks api"

report "the library prints, exits or aborts" \
  "$(grep -rnE '\b(printf|puts|std::cout|std::cerr|std::clog|exit|abort|assert|DCHECK)\b *[(<]?' --include=*.cc --include=*.h $library |
     grep -vE '^[^:]+:[0-9]+: *//|snprintf|static_assert' | grep -E 'printf *\(|puts *\(|std::c(out|err|log)|\b(exit|abort|assert|DCHECK) *\(' || true)"
report "a conditional of the preprocessor outside the build and the C header" \
  "$(grep -rnE '^ *# *(if|ifdef|ifndef|elif)\b' --include=*.cc --include=*.h $library cli | grep -v '^include/glm_image.h:' || true)"
report "a file of more than 400 lines" \
  "$(find $library cli tests \( -name '*.cc' -o -name '*.h' \) -exec wc -l {} + | awk '$1 > 400 && $2 != "total"')"
report "a component's header that doesn't name its upstream class" \
  "$(grep -LE 'Upstream: ' engine/components/*.h engine/components/layers/{embedding,feed_forward,linear,norms,rope}.h engine/checkpoint/config.h engine/run/{prior,references,picture_run}.h || true)"
report "a way to a terminal beside cli/terminal.h (progress and pictures draw by its codes)" \
  "$(grep -nE 'std::c(out|err|log)|\b(printf|puts|fputs) *\(' cli/*.cc | grep -vE '^cli/(terminal|progress|show)\.cc:|snprintf' || true)"
report "a friend of another class" "$(grep -rnE '\bfriend\b' --include=*.h --include=*.cuh $library cli || true)"
report "pixels of a latent, a patch or a token as a number: Geometry knows them" \
  "$(grep -rnE '(width|height|pixels|latents?|grid|cells|side)[a-z_]*(\(\)|\[[a-z0-9]+\])? *[*/%] *(4|8|16|32|64)\b' --include=*.cc --include=*.h api cli include engine |
     grep -vE '^engine/(checkpoint/(config|geometry)|run/settings)\.' || true)"
report "an operation without a contract or a roofline" \
  "$(for header in kernels/*.h; do grep -q 'Contract:' "$header" && grep -q 'Roofline:' "$header" || echo "$header"; done)"
report "a tensor parameter without its shape" \
  "$(grep -nE '^ *at::Tensor [a-z_]+\(const at::Tensor& [a-z_]+[,)]' kernels/*.h | grep -v '// ' || true)"
report "a tolerance outside tests/support/tolerance.h" \
  "$(grep -rnE 'Bound *\{|atol|rtol|allclose' --include=*.cc --include=*.h tests | grep -v '^tests/support/tolerance.h' || true)"
report "a variant by suffix" \
  "$(git ls-files $library cli | grep -E '_(v2|new|old|bf16|cfg|with_refs)\.' || true)"
report "a note to oneself, or code that is switched off" \
  "$(grep -rnE 'TODO|FIXME|\bXXX\b|#if 0' --include=*.cc --include=*.h --include=*.sh --include=*.cmake $library cli tests third_party | grep -v 'tests/style/habits.sh' || true)"
report "tracked files of more than 48 MB in all" \
  "$(git ls-files -z | xargs -0 stat -c %s | awk '{all += $1} END {if (all > 48000000) print all " bytes"}')"  # a link is its own few

[ $failed = 0 ]
