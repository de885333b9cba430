#include "engine/boundary.h"

#include <c10/util/Exception.h>

#include <algorithm>

#include "engine/device/device.h"

namespace glm {
namespace {

// Returns the part of `text` from `begin` to the end of `end`, in brackets, or "" when it isn't there.
std::string excerpt(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t first = text.find(begin);
  const size_t last = first == std::string::npos ? first : text.find(end, first);
  return last == std::string::npos ? "" : " (" + text.substr(first, last + end.size() - first) + ")";
}

}  // namespace

Error out_of_memory(const std::string& what) {
  return {ErrorCode::memory, "out of memory" + excerpt(what, "tried to allocate ", " bytes") +
                                 "; try a smaller size, or --dtype bfloat16"};
}

namespace {

// what: "… Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.20 GiB is free. …", or the
// message of a library that allocates by itself: "CUDA error: out of memory\n…".
Error out_of_gpu_memory(const std::string& what) {
  std::string more = excerpt(what, "Tried to allocate ", " is free");
  if (more.empty()) more = " (" + what.substr(0, std::min<size_t>(what.find('\n'), 200)) + ")";
  return {ErrorCode::memory, "out of memory of the GPU" + more +
                                 "; try a smaller size, fewer pictures at once, --dtype bfloat16 or --device cpu"};
}

bool is_out_of_memory(const std::string& what) {
  return what.find("can't allocate memory") != std::string::npos;
}

// The CUDA libraries allocate some memory by themselves, and each reports a failure in its own words.
bool is_out_of_gpu_memory(const c10::Error& e, const std::string& what) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&e) != nullptr) return true;
  for (const char* words : {"CUDA error: out of memory", "CUDA out of memory", "cudaErrorMemoryAllocation",
                            "CUDA_ERROR_OUT_OF_MEMORY", "_STATUS_ALLOC_FAILED", "DEVICE_ALLOCATION_FAILED"}) {
    if (what.find(words) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Error translated(const c10::Error& e, at::Device device) {
  const std::string what = e.what_without_backtrace();
  if (is_out_of_memory(what)) return out_of_memory(what);
  if (is_out_of_gpu_memory(e, what)) {
    release_cached_memory(device);  // so that the next call finds the memory in one piece
    return out_of_gpu_memory(what);
  }
  if (dynamic_cast<const c10::AcceleratorError*>(&e) != nullptr) {
    return {ErrorCode::device, "the GPU failed: " + what.substr(0, what.find('\n')) +
                                   "; start the program again, and see nvidia-smi if it happens again"};
  }
  return {ErrorCode::internal, what};
}

Error translated(const std::exception& e) {
  const std::string what = e.what() != nullptr ? e.what() : "an exception without a text";
  // oneDNN's words where it gets too little memory for a primitive.
  if (what.find("could not create a primitive") == std::string::npos) return {ErrorCode::internal, what};
  return {ErrorCode::memory,
          "out of memory, it seems (oneDNN: " + what + "); close other programs, or raise the limit (ulimit -v)"};
}

}  // namespace glm
