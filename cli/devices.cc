#include "cli/devices.h"

#include <cstdio>
#include <string>
#include <vector>

#include "cli/table.h"
#include "cli/terminal.h"
#include "glm/devices.h"

namespace glm::cli {
namespace {

using Row = std::vector<std::string>;

std::string memory_text(int64_t bytes) {
  if (bytes <= 0) return "unknown";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

Row row_of(const DeviceInfo& d) {
  const std::string cores = d.cores > 0 ? std::to_string(d.cores) : "no";
  if (d.capability == 0) return {d.name, d.product, memory_text(d.memory), cores + " cores"};
  return {d.name, d.product, memory_text(d.memory),
          cores + " multiprocessors, capability " + std::to_string(d.capability / 10) + "." +
              std::to_string(d.capability % 10) + ", driver for CUDA " + std::to_string(d.driver / 1000) + "." +
              std::to_string(d.driver % 1000 / 10)};
}

}  // namespace

void run_devices() {
  const std::vector<DeviceInfo> all = devices();
  std::vector<Row> rows = {Row{"DEVICE", "NAME", "MEMORY", "COMPUTES WITH"}};
  for (const DeviceInfo& device : all) rows.push_back(row_of(device));
  print_table(rows);
  for (const DeviceInfo& device : all) {
    if (!device.problem.empty()) print(device.name + " can't be used: " + device.problem + "\n");
  }
  for (const DeviceInfo& device : all) {
    if (device.automatic) print("--device auto takes " + device.name + "\n");
  }
}

}  // namespace glm::cli
