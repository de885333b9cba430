// The border between the library and its host, for public calls. engine/boundary.h adds what calls with LibTorch need.
#pragma once

#include <cxxabi.h>

#include <exception>
#include <new>

#include "base/own_arithmetic.h"
#include "base/refuse.h"
#include "glm/error.h"

namespace glm {

// Runs a public call and returns its result. Throws nothing but Error.
template <typename Call>
auto guarded(Call call) {
  const OwnArithmetic arithmetic;
  try {
    return call();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    refuse(ErrorCode::memory, "", "memory for this call", "too little",
           "close other programs, or ask for less at once");
  } catch (const abi::__forced_unwind&) {  // pthread_exit() in a callback
    throw;
  } catch (const std::exception& e) {
    throw Error(ErrorCode::internal, e.what() != nullptr ? e.what() : "an exception without a text");
  } catch (...) {
    throw Error(ErrorCode::internal, "a callback threw something that is no std::exception");
  }
}

}  // namespace glm
