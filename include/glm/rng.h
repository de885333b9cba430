// Which of torch's random number generators a seed is for.
#pragma once

namespace glm {

enum class Rng {
  cpu,   // torch's CPU generator (mt19937); the low 32 bits of the seed count
  cuda,  // torch's CUDA generator (Philox) on a card of 132 multiprocessors; all 64 bits count
};

}  // namespace glm
