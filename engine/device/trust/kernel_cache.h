// Stores reports on kernels in files, for later runs. What a check has shown holds for this card, driver and build.
//
// After a kernel has faulted, its process can't use the GPU any more; when a kernel hangs, the user ends the process.
// So a check writes to a marker file what it is checking, and holds a lock on the file. The process's end releases
// the lock. Whoever then gets it and finds the file not empty knows that a check died there. The lock also makes
// processes wait for each other's check.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "glm/cancel.h"
#include "glm/kernel_verdicts.h"

namespace glm {

// Returns $XDG_CACHE_HOME/glm-image, or else ~/.cache/glm-image. It is empty when neither is known.
std::filesystem::path cache_folder();

// Any number of threads and processes may use the same folder at once.
class KernelCache {
 public:
  // A check calls it with what it checks next.
  using Begin = std::function<void(const std::string& what)>;
  // Makes a report. Throws Error(device) when a kernel has faulted, and something else when the check couldn't be made.
  using Check = std::function<KernelReport(const Begin& begin)>;

  // folder: empty for a cache that stores nothing; patience: how long to wait for another process's check.
  explicit KernelCache(std::filesystem::path folder, std::chrono::milliseconds patience = std::chrono::seconds(60))
      : folder_(std::move(folder)), patience_(patience) {}

  // Returns the report that is stored for this card and build. Where there is none, or with check_again, it calls
  // `check` and stores the report of that.
  // - A report in which a kernel is slower than ATen holds for a day, because another job may have had the GPU when it
  //   was measured.
  // - Where an earlier check died, or another process doesn't end its own, it returns a report with that problem and
  //   doesn't store it.
  // - Where the folder can't be used, it calls `check` each time.
  // Throws what `check` throws, and adds advice on what to do next to Error(device). While it waits for another
  // process's check it asks `cancel`, and throws Error(cancelled) when that says so.
  KernelReport report(const std::string& card, const std::string& build, bool check_again, const Check& check,
                      const CancelToken* cancel = nullptr) const;

  // The files for this card and build. Tests look at them.
  std::filesystem::path report_file(const std::string& card, const std::string& build) const;
  std::filesystem::path marker_file(const std::string& card, const std::string& build) const;

 private:
  std::optional<KernelReport> read(const std::string& card, const std::string& build) const;
  void write(const KernelReport& report) const;

  std::filesystem::path folder_;
  std::chrono::milliseconds patience_;
};

}  // namespace glm
