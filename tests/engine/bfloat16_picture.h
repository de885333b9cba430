// A picture in bf16 with upstream's tokens and noise, beside upstream's.
#pragma once

#include <functional>

#include "tests/engine/cases.h"
#include "tests/support/temporary_folder.h"

namespace glm {

class Bfloat16Picture : public StageTest {
 protected:
  Bfloat16Picture() : StageTest("bfloat16") {}

  // Lets `draw` draw the golden's request, which dumps its stages. Noise predictions have to point where upstream's do,
  // and the picture has to be close.
  void compare_picture(const std::function<void(const Request&)>& draw) const;

  TemporaryFolder folder;
};

}  // namespace glm
