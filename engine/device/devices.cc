#include "glm/devices.h"

#include <algorithm>
#include <fstream>

#include "base/cpu_count.h"
#include "engine/device/device.h"

namespace glm {
namespace {

std::string cpu_product() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name") && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  }
  return "CPU";
}

}  // namespace

std::string product_of(at::Device device) {
  if (device.is_cpu()) return cpu_product();
  for (const CudaDevice& gpu : cuda_devices()) {
    if (gpu.index == device.index()) return gpu.name;
  }
  return device.str();
}

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> all = {
      {.name = "cpu", .product = cpu_product(), .memory = memory_of(at::kCPU), .cores = cpu_count(), .problem = {}}};
  std::string problem;
  for (const CudaDevice& device : cuda_devices(&problem)) {
    all.push_back({.name = "cuda:" + std::to_string(device.index),
                   .product = device.name,
                   .memory = device.memory,
                   .cores = device.multiprocessors,
                   .capability = 10 * device.major + device.minor,
                   .driver = device.driver,
                   .problem = problem_of(device)});
  }
  if (!problem.empty()) {
    all.push_back({.name = "cuda", .product = "an NVIDIA driver", .problem = problem});
  }
  const auto gpu = std::find_if(all.begin() + 1, all.end(), [](const DeviceInfo& d) { return d.problem.empty(); });
  (gpu == all.end() ? all.front() : *gpu).automatic = true;
  return all;
}

}  // namespace glm
