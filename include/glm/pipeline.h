// GLM-Image as a library: load a checkpoint once, then draw pictures from prompts. No public header holds a LibTorch
// type. Upstream: diffusers GlmImagePipeline
//
//   glm::Pipeline pipeline("models/nano", {});
//   glm::Result result = pipeline.generate({.prompt = "a red apple"}, {});
//   glm::write_png("apple.png", result.pictures[0].image);
//
// Every function throws glm::Error (glm/error.h) and nothing else, and prints nothing. Each throws Error(usage) when
// the pipeline was moved from. A Pipeline's functions may be called from any thread. generate() and its three parts run
// one after the other on a thread of the pipeline's own, and throw Error(usage) in a callback of the same pipeline.
//
// A pipeline belongs to the process that made it: in a child that this process forks, every function throws
// Error(usage), and the destructor does nothing. A child may make pipelines of its own. When the process ends by exit()
// or main()'s return, calls under way end with Error(cancelled), and exit() waits for their next token or step.
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
  // Loads a checkpoint: a folder in the public layout, or "random:FOLDER" for random weights of its shapes. Throws
  // Error(model) when something is missing or broken, Error(device) for a GPU that can't be used, Error(usage) for
  // other options that can't be met, Error(cancelled), and Error(memory) when it doesn't fit, before a weight is read.
  Pipeline(const std::filesystem::path& checkpoint, const LoadOptions& options);
  ~Pipeline();  // other threads' calls go on to their ends, and so does the call whose callback destroys the pipeline
  Pipeline(Pipeline&&) noexcept;
  Pipeline& operator=(Pipeline&&) noexcept;

  const std::vector<std::string>& warnings() const;  // about the checkpoint and the device
  const std::string& device() const;                 // "cpu", "cuda:0"
  const std::string& dtype() const;                  // "float32", "bfloat16"

  // Fills in what the request leaves to the checkpoint. Throws Error(usage) for a request that can't be met. Waits for
  // no other call.
  Details details(const Request& request) const;

  // Checks a request as generate() does before it computes anything, and throws the same errors: for a prompt that is
  // too long, too many texts, a dump's place that can't be written. It doesn't look at how much memory is free. Waits
  // for no other call.
  void check(const Request& request) const;

  // Draws a picture for each of the request's seeds. Throws Error(usage) for a request that can't be met, before
  // anything is computed, Error(memory) for lack of it, Error(device) when the GPU fails, Error(io) when the dump can't
  // be written, and Error(cancelled). The dump's place is checked before anything is computed. When the disk is full at
  // the end, generate() throws and returns no picture, but Callbacks::picture has been given all of them.
  Result generate(const Request& request, const Callbacks& callbacks) const;

  // The three parts of generate(), each for all of the request's seeds: generate() is pixels(latents(tokens())). A part
  // looks only at those fields of the request that concern it. tokens and latents: one for each seed, in their order.
  // Each throws Error(usage) when these don't fit the request, and otherwise what generate() throws.
  std::vector<Tokens> tokens(const Request& request, const Callbacks& callbacks) const;
  std::vector<Latents> latents(const Request& request, const std::vector<Tokens>& tokens,
                               const Callbacks& callbacks) const;
  Result pixels(const Request& request, const std::vector<Latents>& latents, const Callbacks& callbacks) const;

  // The tokens of several requests. Requests of the same sampling share their passes, up to 16 pictures in each. On a
  // GPU that takes little longer than one alone. Each request's tokens are the same as without the others. One that
  // can't be met ends the call for all: ask check() first.
  std::vector<std::vector<Tokens>> tokens(const std::vector<Request>& requests, const Callbacks& callbacks) const;

 private:
  struct Engine;
  std::shared_ptr<Engine> engine() const;

  std::shared_ptr<Engine> engine_;
};

}  // namespace glm
