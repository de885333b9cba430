// Reports on kernels between runs, in files: what one check has shown holds for this card, driver and build.
//
// A kernel that faults takes the process's GPU with it, and one that hangs is stopped by its user. So a check has a
// marker file with what it is at, locked while its process lives: who gets the lock and finds something in the file
// knows that a check died there. The lock also makes processes wait for each other's check.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "glm/cancel.h"
#include "glm/kernel_verdicts.h"

namespace glm {

// $XDG_CACHE_HOME/glm-image or ~/.cache/glm-image; empty where neither is known.
std::filesystem::path cache_folder();

class KernelCache {
 public:
  // Says what is checked next.
  using Begin = std::function<void(const std::string& what)>;
  // Throws Error(device) when a kernel has faulted, anything else when the check couldn't be made.
  using Check = std::function<KernelReport(const Begin& begin)>;

  explicit KernelCache(std::filesystem::path folder, std::chrono::milliseconds patience = std::chrono::seconds(60))
      : folder_(std::move(folder)), patience_(patience) {}

  // Returns the report that is kept for this card and build. Where there is none, or with check_again, it calls `check`
  // and keeps the report of that.
  // - A report in which a kernel is slower than ATen is kept for a day, because another job may have had the GPU when
  //   it was measured.
  // - Where an earlier check died, or another process doesn't end its own, it returns a report with that problem and
  //   doesn't keep it.
  // - Where the folder can't be used, it calls `check` each time.
  // Throws what `check` throws, and adds to Error(device) the advice for what comes next. Asks `cancel` while it waits
  // for another process's check, and then throws Error(cancelled).
  KernelReport report(const std::string& card, const std::string& build, bool check_again, const Check& check,
                      const CancelToken* cancel = nullptr) const;

  // Files of this card and build.
  std::filesystem::path report_file(const std::string& card, const std::string& build) const;
  std::filesystem::path marker_file(const std::string& card, const std::string& build) const;

 private:
  std::optional<KernelReport> kept(const std::string& card, const std::string& build) const;
  void keep(const KernelReport& report) const;

  std::filesystem::path folder_;
  std::chrono::milliseconds patience_;
};

}  // namespace glm
