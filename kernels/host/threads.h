// Contract: shares work among the threads that LibTorch computes with. at::parallel_for wouldn't: it needs a compiler
//   that is told to use OpenMP, and without that it is a loop of the calling thread.
//   Upstream: at::parallel_for
// Roofline: none; a share costs a few microseconds.
#pragma once

#include <cstdint>
#include <functional>

namespace glm::host {

// Calls work(begin, end) with parts of 0 .. count-1, of `grain` numbers at least but for the last. Threads that are
// done early take more parts. Where the threads' stacks are tiny, the calling thread does everything. Inside a part
// this function uses no further threads, and neither does LibTorch if the work is shared. If parts throw, one of their
// exceptions is thrown when all have ended.
void on_threads(int64_t count, int64_t grain, const std::function<void(int64_t begin, int64_t end)>& work);

}  // namespace glm::host
