#include "base/process_mark.h"

#include <sys/mman.h>
#include <unistd.h>

namespace glm {
namespace {

constexpr size_t kBytes = 1;  // the kernel gives a page

}  // namespace

// A child may have its parent's number where it is the first process of a new container, so the number alone isn't
// enough. A page that the kernel clears in every child is, but Linux before 4.14 can't do that.
ProcessMark::ProcessMark() : pid_(::getpid()), page_(nullptr) {
  void* const page = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, kBytes, MADV_WIPEONFORK) != 0) {
    ::munmap(page, kBytes);
    return;
  }
  page_ = static_cast<volatile char*>(page);
  *page_ = 1;
}

ProcessMark::~ProcessMark() {
  if (page_ != nullptr) ::munmap(const_cast<char*>(page_), kBytes);
}

bool ProcessMark::is_in_child() const {
  return ::getpid() != pid_ || (page_ != nullptr && *page_ == 0);
}

}  // namespace glm
