#include "glm/devices.h"

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

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> all = {
      {.name = "cpu", .product = cpu_product(), .memory = memory_of(at::kCPU), .cores = cpu_count(), .problem = {}}};
  for (const CudaDevice& device : cuda_devices()) {
    all.push_back({.name = "cuda:" + std::to_string(device.index),
                   .product = device.name,
                   .memory = device.memory,
                   .cores = device.multiprocessors,
                   .capability = 10 * device.major + device.minor,
                   .driver = device.driver,
                   .problem = problem_of(device)});
  }
  const bool gpu = all.size() > 1 && all[1].problem.empty();
  all[gpu ? 1 : 0].automatic = true;
  return all;
}

}  // namespace glm
