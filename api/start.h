#pragma once

// For libglm_image.so's start. Another library's, which starts before all others: when the process has no working
// folder, because that was removed, the process is in / until this is called. LibTorch's MKL would end it otherwise.
extern "C" void glm_image_give_folder_back();
