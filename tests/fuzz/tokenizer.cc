// tokenizer.json, and a text through the tokenizer that it describes.
#include "glm/error.h"
#include "tests/fuzz/file.h"
#include "tokenizer/text_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const glm::TextTokenizer tokenizer(path_of(data, size));
    tokenizer.encode("a red apple <sop> \xFF 12", true);
    tokenizer.encode("a red apple <sop> \xFF 12", false);
  } catch (const glm::Error&) {
  }
  return 0;
}
