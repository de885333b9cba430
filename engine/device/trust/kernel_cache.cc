#include "engine/device/trust/kernel_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <limits>
#include <ostream>
#include <thread>

#include "base/atomic_file.h"
#include "base/fnv1a.h"
#include "base/json.h"
#include "base/quiet_writes.h"
#include "base/refuse.h"
#include "base/user_folder.h"
#include "glm/error.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

constexpr int kVersion = 2;  // of the file's format and of what is checked
constexpr uint64_t kMaxBytes = 1U << 20U;

std::string report_name(const std::string& card, const std::string& build) {
  return "kernels-" + fnv1a64_digits(card + "\n" + build);
}

// JSON has neither infinity nor NaN. Both are written as null, which is read as infinity.
nlohmann::json json_of(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}
double number_of(const nlohmann::json& value) {
  return value.is_null() ? std::numeric_limits<double>::infinity() : value.get<double>();
}

KernelReport with_problem(const std::string& card, const std::string& build, const std::string& problem) {
  KernelReport report{card, build, {}};
  report.verdicts.push_back({});
  report.verdicts.back().problem = problem;
  return report;
}

// The marker file, open until the object's end.
class Marker {
 public:
  enum class Lock { ours, others, impossible };  // impossible: the file can't be opened or locked

  explicit Marker(const fs::path& file) : fd_(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {}
  ~Marker() {
    if (fd_ >= 0) ::close(fd_);  // this ends the lock, too
  }
  Marker(const Marker&) = delete;
  Marker& operator=(const Marker&) = delete;

  // Tries for `patience` to lock the file. Throws Error(cancelled).
  Lock lock(std::chrono::milliseconds patience, const CancelToken* cancel) const {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point end = Clock::now() + patience;
    while (fd_ >= 0) {
      if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return Lock::ours;
      if (errno != EWOULDBLOCK && errno != EINTR) return Lock::impossible;
      if (Clock::now() >= end) return Lock::others;
      throw_if_cancelled(cancel);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return Lock::impossible;
  }

  std::string read() const {
    char text[256];
    const ssize_t count = ::pread(fd_, text, sizeof text, 0);
    return count > 0 ? std::string(text, static_cast<size_t>(count)) : std::string();
  }
  // Replaces the file's text. An empty text says that the check has ended. Returns false where nothing can be written.
  bool write(const std::string& text) const {
    const QuietWrites quiet;
    return ::ftruncate(fd_, 0) == 0 && ::pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  }

 private:
  int fd_;
};

bool has_slower(const KernelReport& report) {
  return std::any_of(report.verdicts.begin(), report.verdicts.end(), [](const KernelVerdict& v) { return v.slower; });
}

// Says whether the file was written in the last 24 hours. A time in the future doesn't count, because it comes from a
// clock that was wrong.
bool is_of_today(const fs::path& file) {
  const auto age = fs::file_time_type::clock::now() - fs::last_write_time(file);
  return age >= std::chrono::seconds(-5) && age < std::chrono::hours(24);
}

// Reads a report from a file that somebody may have changed in any way. Throws when it isn't as KernelCache writes it.
KernelReport report_of(const nlohmann::json& file) {
  KernelReport report{file.at("card").get<std::string>(), file.at("build").get<std::string>(), {}};
  for (const nlohmann::json& v : file.at("verdicts")) {
    report.verdicts.push_back(
        {v.at("kernel").get<std::string>(), v.at("format").get<std::string>(), v.at("shape").get<std::string>(),
         number_of(v.at("error")), number_of(v.at("allowed")), number_of(v.at("ms")), number_of(v.at("reference_ms")),
         v.at("problem").get<std::string>(), v.at("slower").get<bool>(), v.at("look_ahead").get<bool>()});
  }
  return report;
}

}  // namespace

fs::path cache_folder() {
  return user_folder("XDG_CACHE_HOME", ".cache");
}

fs::path KernelCache::report_file(const std::string& card, const std::string& build) const {
  return folder_ / (report_name(card, build) + ".json");
}
fs::path KernelCache::marker_file(const std::string& card, const std::string& build) const {
  return folder_ / (report_name(card, build) + ".checking");
}

std::optional<KernelReport> KernelCache::read(const std::string& card, const std::string& build) const {
  try {
    const nlohmann::json file = read_json(report_file(card, build), kMaxBytes);
    if (file.at("version").get<int>() != kVersion) return {};
    KernelReport report = report_of(file);
    if (report.card != card || report.build != build || report.verdicts.empty()) return {};
    if (has_slower(report) && !is_of_today(report_file(card, build))) return {};
    return report;
  } catch (const std::exception&) {  // the file isn't there or is broken: the caller checks again
    return {};
  }
}

void KernelCache::write(const KernelReport& report) const {
  nlohmann::json verdicts = nlohmann::json::array();
  for (const KernelVerdict& v : report.verdicts) {
    verdicts.push_back({{"kernel", v.kernel},
                        {"format", v.format},
                        {"shape", v.shape},
                        {"error", json_of(v.error)},
                        {"allowed", json_of(v.allowed)},
                        {"ms", json_of(v.ms)},
                        {"reference_ms", json_of(v.reference_ms)},
                        {"problem", v.problem},
                        {"slower", v.slower},
                        {"look_ahead", v.look_ahead}});
  }
  const nlohmann::json file = {
      {"version", kVersion}, {"card", report.card}, {"build", report.build}, {"verdicts", verdicts}};
  try {
    const std::string text = file.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
    write_file(report_file(report.card, report.build), [&](std::ostream& out) { out << text << "\n"; });
  } catch (const std::exception&) {  // the next process checks again
  }
}

KernelReport KernelCache::report(const std::string& card, const std::string& build, bool check_again,
                                 const Check& check, const CancelToken* cancel) const {
  const auto without_marker = [&] {
    try {
      return check([](const std::string&) {});
    } catch (const Error& e) {
      if (e.code() != ErrorCode::device) throw;
      throw Error(e.code(), std::string(e.what()) + "; use --kernels off to run without our kernels");
    }
  };
  if (folder_.empty()) return without_marker();
  std::error_code ignored;
  fs::create_directories(folder_, ignored);
  if (std::optional<KernelReport> known; !check_again && (known = read(card, build))) return *known;
  const Marker marker(marker_file(card, build));
  switch (marker.lock(patience_, cancel)) {
    case Marker::Lock::impossible:
      return without_marker();
    case Marker::Lock::others:
      return with_problem(
          card, build, "another process has been checking the kernels for too long; end it, or wait until it is done");
    case Marker::Lock::ours:
      break;
  }
  if (!check_again) {
    if (const std::string at = marker.read(); !at.empty()) {
      return with_problem(card, build,
                          "an earlier check of the kernels ended at " + at +
                              ", by a fault or because it was stopped; glm-image kernels --check tries "
                              "again");
    }
    if (std::optional<KernelReport> known = read(card, build)) return *known;  // another process made it meanwhile
  }
  fs::remove(report_file(card, build), ignored);  // if this check dies, an earlier report must not hold any more
  if (!marker.write("its start")) return without_marker();
  try {
    KernelReport report = check([&](const std::string& what) { marker.write(what); });
    write(report);
    marker.write("");
    return report;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::device) {
      marker.write("");
      throw;
    }
    throw Error(e.code(), std::string(e.what()) + "; the next start will not use our kernels");
  } catch (...) {
    marker.write("");
    throw;
  }
}

}  // namespace glm
