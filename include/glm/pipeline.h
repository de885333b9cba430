// GLM-Image as a library: load a checkpoint once, then turn prompts into pictures. This header is the public one; it
// holds no LibTorch type. Upstream: diffusers GlmImagePipeline
//
//   glm::Pipeline pipeline("models/nano", {});
//   glm::Result result = pipeline.generate({.prompt = "a red apple"}, {});
//   glm::write_png("apple.png", result.pictures[0].image);
//
// Every function throws glm::Error (glm/error.h) and nothing else, and prints nothing; Error(usage) when the pipeline
// was moved from. A Pipeline's functions may be called from any thread; the calls run one after the other on the
// pipeline's own.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "glm/api.h"
#include "glm/error.h"
#include "glm/request.h"

namespace glm {

class GLM_API Pipeline {
 public:
  // Loads a checkpoint in the public layout. Error(model) when something is missing or broken, Error(device) for a GPU
  // that can't be used, Error(memory) when it doesn't fit, which is seen before it is read.
  Pipeline(const std::filesystem::path& checkpoint, const LoadOptions& options);
  ~Pipeline();  // calls that are under way, of other threads or around a callback, go on to their ends
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;

  const std::vector<std::string>& warnings() const;  // about the checkpoint and the device
  const std::string& device() const;                 // "cpu", "cuda:0"
  const std::string& dtype() const;                  // "float32", "bfloat16"

  // Error(usage) for a request that can't be met.
  Details details(const Request& request) const;

  // All the way. Error(usage) for a request that can't be met, Error(cancelled), Error(io) for the dump.
  Result generate(const Request& request, const Callbacks& callbacks) const;

  // The way in three parts, each for all of the request's seeds: generate is pixels(latents(tokens)). A part uses of
  // the request what concerns it; Error(usage) for tokens and latents that don't fit it.
  std::vector<Tokens> tokens(const Request& request, const Callbacks& callbacks) const;
  std::vector<Latents> latents(const Request& request, const std::vector<Tokens>& tokens,
                               const Callbacks& callbacks) const;
  Result pixels(const Request& request, const std::vector<Latents>& latents, const Callbacks& callbacks) const;

 private:
  struct Engine;
  std::shared_ptr<Engine> engine() const;

  std::shared_ptr<Engine> engine_;
};

}  // namespace glm
