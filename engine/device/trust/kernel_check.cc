#include "engine/device/trust/kernel_check.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <limits>

#include "engine/device/device.h"
#include "engine/device/trust/kernel_cache.h"
#include "glm/error.h"
#include "kernels/cuda/loader.h"
#include "kernels/cuda_calls.h"

namespace glm {
namespace {

constexpr double kSlack = 1.1;  // two measurements of the same work may differ by this factor
constexpr int kSamples = 5;
constexpr int kCallsOfSample = 50;  // so many that the time until the first one starts counts little

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

std::string trial_name(const KernelTrial& t) {
  return t.kernel + (t.format.empty() ? "" : " " + t.format) + " " + t.shape;
}

// Measures our calls and ATen's operations, and writes the time of each one's fastest sample to the verdict. The
// samples alternate, so that both meet the same clock rates.
void measure(const KernelTrial& t, at::Device device, const LaunchCalls& launch, KernelVerdict& verdict) {
  using Clock = std::chrono::steady_clock;
  const auto ms_of = [&](const auto& work) {
    synchronize(device);
    const Clock::time_point begin = Clock::now();
    work();
    synchronize(device);
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count() / kCallsOfSample;
  };
  std::vector<cuda::Call> calls;
  for (size_t i = 0; i < kCallsOfSample; ++i) calls.push_back(t.timed[i % t.timed.size()]);
  double ours = std::numeric_limits<double>::infinity();
  double atens = ours;
  for (int i = -1; i < kSamples; ++i) {  // the first warms up
    const char* wrong = nullptr;
    const double own = ms_of([&] { wrong = launch(calls); });
    if (wrong != nullptr) {
      verdict.problem = wrong;
      return;
    }
    const double other = ms_of([&] {
      for (int call = 0; call < kCallsOfSample; ++call) t.aten(call);
    });
    if (i < 0) continue;
    ours = std::min(ours, own);
    atens = std::min(atens, other);
  }
  verdict.ms = ours;
  verdict.reference_ms = atens;
}

bool is_out_of_memory(const c10::Error& e) {
  return dynamic_cast<const c10::OutOfMemoryError*>(&e) != nullptr;
}

// Says whether the device still works. After a fault it doesn't, until this process ends.
bool still_works(at::Device device) {
  try {
    synchronize(device);
    return true;
  } catch (const c10::Error&) {
    return false;
  }
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// Returns the driver's version, where Linux tells it, and the newest CUDA that it knows.
std::string driver_of(const CudaDevice& device) {
  std::string version;
  std::ifstream("/sys/module/nvidia/version") >> version;
  const std::string cuda = std::to_string(device.driver / 1000) + "." + std::to_string(device.driver % 1000 / 10);
  return (version.empty() ? "" : version + " ") + "for CUDA " + cuda;
}

std::string card_of(at::Device device) {
  const std::vector<CudaDevice> all = cuda_devices();
  const size_t index = static_cast<unsigned char>(device.index());
  if (index >= all.size()) throw Error(ErrorCode::device, device.str() + ": the driver doesn't list this GPU any more");
  const CudaDevice& d = all[index];
  return d.name + ", capability " + std::to_string(d.major) + "." + std::to_string(d.minor) + ", " +
         std::to_string(d.multiprocessors) + " multiprocessors, driver " + driver_of(d);
}

}  // namespace

KernelVerdict judge_trial(const KernelTrial& t, at::Device device, const LaunchCalls& launch) {
  KernelVerdict verdict{.kernel = t.kernel,
                        .format = t.format,
                        .shape = t.shape,
                        .error = 0,
                        .allowed = t.allowed,
                        .problem = {},
                        .look_ahead = t.look_ahead};
  const auto restore = [&] {
    for (const KernelTrial::Written& w : t.written) w.tensor.copy_(w.before);
  };
  const auto run = [&](int times) {
    restore();
    std::vector<cuda::Call> calls(static_cast<size_t>(times), t.call);
    calls.insert(calls.end(), t.others.begin(), t.others.end());
    const char* const wrong = launch(calls);
    if (wrong != nullptr) verdict.problem = wrong;
    synchronize(device);
    return wrong == nullptr;
  };
  if (!run(1)) return verdict;
  std::vector<at::Tensor> first;
  for (const KernelTrial::Written& w : t.written) first.push_back(w.tensor.clone());
  const KernelTrial::Answer answer = t.judge();
  verdict.error = answer.error;
  verdict.problem = answer.problem;
  if (!(answer.error <= t.allowed)) {
    verdict.problem = "its result is " + short_number(answer.error) + " from ATen's, where " + short_number(t.allowed) +
                      " is allowed";
  }
  if (!verdict.problem.empty() || !run(t.repeatable ? 3 : 1)) return verdict;
  for (size_t i = 0; i < first.size(); ++i) {
    const at::Tensor again = t.written[i].tensor.view(at::kByte);
    if (!at::equal(again, first[i].view(at::kByte)))
      verdict.problem = "the same call gives other bits when it is repeated";
  }
  if (verdict.problem.empty() && !t.timed.empty()) measure(t, device, launch, verdict);
  return verdict;
}

std::vector<KernelVerdict> merged(const std::vector<KernelVerdict>& verdicts) {
  std::vector<KernelVerdict> all;
  for (const KernelVerdict& v : verdicts) {
    const auto same = std::find_if(all.begin(), all.end(), [&](const KernelVerdict& other) {
      return other.kernel == v.kernel && other.format == v.format && other.shape == v.shape &&
             other.look_ahead == v.look_ahead;
    });
    if (same == all.end()) {
      all.push_back(v);
      continue;
    }
    if (v.error > same->error || std::isnan(v.error)) same->error = v.error;
    if (v.ms > 0) {
      same->ms = v.ms;
      same->reference_ms = v.reference_ms;
    }
    if (same->problem.empty()) same->problem = v.problem;
  }
  for (KernelVerdict& v : all) {
    double ours = 0;
    double atens = 0;
    KernelVerdict* worst = &v;
    for (KernelVerdict& other : all) {
      if (other.kernel != v.kernel || other.format != v.format || other.ms <= 0) continue;
      ours += other.ms;
      atens += other.reference_ms;
      if (worst->ms <= 0 || other.ms * worst->reference_ms > worst->ms * other.reference_ms) worst = &other;
    }
    if (ours > kSlack * atens && worst->problem.empty()) {
      worst->slower = true;
      worst->problem = "it is slower than ATen: " + short_number(ours) +
                       " ms for the public model's shapes, where ATen takes " + short_number(atens);
    }
  }
  return all;
}

KernelReport check_kernels(at::Device device, const std::function<void(const std::string&)>& begin) {
  const c10::InferenceMode inference;
  const c10::DeviceGuard current(device);
  const cuda::Library& library = *cuda::load_library().library;
  const LaunchCalls launch = [&](const std::vector<cuda::Call>& calls) {
    return library.run(calls.data(), static_cast<int>(calls.size()), current_stream(device));
  };
  std::string at = "the first trial";
  std::vector<KernelVerdict> verdicts;
  const auto check = [&](const KernelTrial& t) {
    at = trial_name(t);
    begin(at);
    try {
      verdicts.push_back(judge_trial(t, device, launch));
    } catch (const c10::Error& e) {
      if (is_out_of_memory(e) || !still_works(device)) throw;
      verdicts.push_back({.kernel = t.kernel,
                          .format = t.format,
                          .shape = t.shape,
                          .allowed = t.allowed,
                          .problem = first_line(e.what_without_backtrace()),
                          .look_ahead = t.look_ahead});
    }
  };
  try {
    visit_kernel_trials(device, library.multiprocessors(), /*real=*/true, check);
    synchronize(device);
  } catch (const c10::Error& e) {
    const std::string what = first_line(e.what_without_backtrace());
    if (still_works(device)) {
      release_cached_memory(device);
      throw Error(is_out_of_memory(e) ? ErrorCode::memory : ErrorCode::internal, what);
    }
    throw Error(ErrorCode::device, "our CUDA kernels faulted on this GPU, at " + at + " (" + what + ")");
  }
  release_cached_memory(device);
  return {card_of(device), library.build, merged(verdicts)};
}

KernelReport known_kernels(at::Device device, bool check_again, const CancelToken* cancel) {
  const std::string card = card_of(device);
  const std::string build = cuda::load_library().library->build;
  try {
    const auto check = [&](const KernelCache::Begin& begin) { return check_kernels(device, begin); };
    return KernelCache(cache_folder()).report(card, build, check_again, check, cancel);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::device || e.code() == ErrorCode::cancelled) throw;
    KernelVerdict nothing;
    nothing.problem = std::string("they could not be checked (") + e.what() + ")";
    return {card, build, {nothing}};
  }
}

}  // namespace glm
