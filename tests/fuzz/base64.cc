// A picture's text: data URIs and base64. What is read is written and read again.
#include "base/base64.h"

#include <cstdlib>
#include <string>

#include "glm/error.h"
#include "tasks/picture_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = glm::base64_bytes(text)) {
    const auto again = glm::base64_bytes(glm::base64(*bytes));
    if (!again || *again != *bytes) std::abort();
  }
  try {
    glm::tasks::bytes_of_text(text);
  } catch (const glm::Error&) {
  }
  return 0;
}
