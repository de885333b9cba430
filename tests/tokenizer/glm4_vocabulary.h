// GLM-4's vocabulary, from which the public checkpoint's tokenizer is made, as a tokenizer.json.
#pragma once

#include <string>

namespace glm::test {

// tests/data/glm4_tiktoken.model in the form of Hugging Face, with a closed list of merges. The same bytes as
// weights_tools/reference/tiktoken_to_tokenizer_json.py writes, which describes them.
std::string glm4_tokenizer_json();

}  // namespace glm::test
