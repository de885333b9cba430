// A driver of NVIDIA's interface as a program meets it where there is no such GPU: one that can't start, and one with
// cards that are too old or don't answer. GLM_TEST_DRIVER: the error that it starts with, or its cards' capabilities
// ("75 0 61"; 0 doesn't answer).
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

namespace {

std::vector<int> numbers() {
  const char* const text = std::getenv("GLM_TEST_DRIVER");
  std::istringstream in(text != nullptr ? text : "");
  std::vector<int> all;
  for (int number = 0; in >> number;) all.push_back(number);
  return all;
}

bool starts() {
  return numbers().front() < 100;
}

}  // namespace

#define DRIVER extern "C" __attribute__((visibility("default")))

DRIVER int cuGetErrorString(int error, const char** text) {
  *text = error == 803 ? "system has unsupported display driver / cuda driver combination" : "unknown error";
  return 0;
}
DRIVER int cuInit(unsigned /*flags*/) {
  return starts() ? 0 : numbers().front();
}
DRIVER int cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}
DRIVER int cuDeviceGetCount(int* count) {
  *count = static_cast<int>(numbers().size());
  return 0;
}
DRIVER int cuDeviceGet(int* device, int ordinal) {
  *device = numbers()[static_cast<size_t>(ordinal)];
  return *device == 0 ? 999 : 0;
}
DRIVER int cuDeviceGetName(char* name, int size, int device) {
  std::strncpy(name, ("Card " + std::to_string(device)).c_str(), static_cast<size_t>(size));
  return 0;
}
DRIVER int cuDeviceTotalMem_v2(size_t* bytes, int /*device*/) {
  *bytes = size_t{8} << 30;
  return 0;
}
DRIVER int cuDeviceGetAttribute(int* value, int attribute, int device) {
  *value = attribute == 75 ? device / 10 : attribute == 76 ? device % 10 : 40;
  return 0;
}
