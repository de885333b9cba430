// What every test of a refusal asks: the right code, and a message that names what is wrong.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "glm/error.h"

namespace glm {

// Does `act` throw an Error of this code, whose message holds each of `parts`?
inline testing::AssertionResult refused(ErrorCode code, const std::vector<std::string>& parts,
                                        const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    const std::string message = e.what();
    if (e.code() != code) return testing::AssertionFailure() << "another code: " << message;
    for (const std::string& part : parts) {
      if (message.find(part) == std::string::npos) {
        return testing::AssertionFailure() << "no \"" << part << "\" in: " << message;
      }
    }
    return testing::AssertionSuccess();
  } catch (const std::exception& e) {
    return testing::AssertionFailure() << "another exception: " << e.what();
  }
  return testing::AssertionFailure() << "nothing was refused";
}

inline std::filesystem::path write_bytes(const std::filesystem::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
  return file;
}

inline std::string read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace glm
