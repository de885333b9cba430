// What a request may ask for, wherever it comes from: the program, C++, C or a checkpoint's own defaults.
#pragma once

#include <cstddef>
#include <cstdint>

namespace glm::limits {

inline constexpr int64_t kMinSide = 128;  // pixels
inline constexpr int64_t kMaxSide = 2048;
inline constexpr double kMaxAspect = 16;  // longer side / shorter side
inline constexpr int64_t kMaxSteps = 1000;
inline constexpr double kMaxGuidance = 1000;
inline constexpr double kMinTemperature = 1e-6;
inline constexpr double kMaxTemperature = 1e6;
inline constexpr int64_t kMaxTopK = int64_t{1} << 24;
inline constexpr size_t kMaxPictures = 1024;  // pictures of a call, one for each seed
inline constexpr size_t kMaxReferences = 8;
inline constexpr size_t kMaxTexts = 256;  // texts to be drawn
inline constexpr int kMaxThreads = 1024;
inline constexpr double kMaxPrice = 1e9;  // of a token, or of a step for each million pixels

}  // namespace glm::limits
