// What is wrong with a tensor that a model needs.
#pragma once

#include <string>
#include <utility>

#include "base/refuse.h"
#include "glm/error.h"

namespace glm {

// The loader throws it on. weights inspect and weights verify gather such errors, and tell them by their kinds.
class TensorError : public Error {
 public:
  enum class Kind {
    missing,
    misshapen,      // another shape than the model needs
    mistyped,       // of a type that the loader doesn't read
    contradictory,  // a quantised weight that contradicts itself or quantization_config
  };
  // tensor: its name. text: names the file, what was expected and found, and what to do.
  TensorError(Kind kind, std::string tensor, const std::string& text)
      : Error(ErrorCode::model, text), kind_(kind), tensor_(std::move(tensor)) {}

  Kind kind() const { return kind_; }
  const std::string& tensor() const { return tensor_; }

 private:
  Kind kind_;
  std::string tensor_;
};

}  // namespace glm
