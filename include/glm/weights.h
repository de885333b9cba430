// What lies in a checkpoint's files, whether it is whole, and whether it computes what upstream computes. Only
// selftest_weights() loads a model and needs memory for one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "glm/api.h"
#include "glm/cancel.h"
#include "glm/image.h"

namespace glm {

// A tensor as a file has it.
struct StoredTensor {
  std::string name;
  std::string dtype;  // as the format calls it: "BF16", "F32", …
  std::vector<int64_t> shape;
  std::filesystem::path file;
  int64_t begin = 0, end = 0;  // its bytes in the file
  bool zeros = false;          // it holds nothing but zeros
  int64_t not_finite = 0;      // how many of its numbers are infinite or NaN
};

// A network of the checkpoint, or what a lone file holds.
struct StoredComponent {
  std::string name = {};  // "vision_language_encoder", "transformer", "text_encoder", "vae"; "" where nothing tells
  std::string format =
      {};  // "bf16", "AutoRound int4, groups of 128", "SDNQ uint4, float5, int5"; "" where nothing is there
  std::vector<StoredTensor> tensors = {};  // by name
  int64_t parameters = 0;  // numbers of the model, however they are stored; scales and the like don't count
  int64_t bytes = 0;       // of all its tensors
  // Names of tensors: that are needed and not there; of another shape than needed; of a type that isn't read; that
  // nothing reads; that are all zeros, but for biases and zero points; that have numbers which aren't finite. Where
  // nothing tells what is needed, the first four are empty, but for parts of quantised weights: `unknown` says why.
  std::vector<std::string> missing = {}, misshapen = {}, mistyped = {}, unclaimed = {}, zeros = {}, not_finite = {};
  // Sentences about quantised weights that contradict themselves or their configuration; each says what to do.
  std::vector<std::string> contradictions = {};
  std::string unknown = {};
  std::vector<std::string> problems = {};  // with its files, each a sentence that says what to do
};

struct WeightsReport {
  std::filesystem::path path = {};  // the folder of the snapshot, where a repository in a Hugging Face cache was given
  std::string kind = {};            // "a GLM-Image checkpoint", "a file of weights", "a LoRA", …
  std::string advice = {};          // what to do with a kind that generate doesn't take, or ""
  std::vector<StoredComponent> components = {};
  std::vector<std::string> problems = {};  // with the whole

  // How many things are wrong. Tensors that are all zeros don't count, because some models have them.
  GLM_API int64_t count_problems() const;
};

// What a call that reads whole files tells, and what may stop it.
struct ReadingCallbacks {
  // Gets the bytes that are read and how many there are, about ten times a second, on the caller's thread.
  std::function<void(int64_t done, int64_t total)> progress;
  const CancelToken* cancel = nullptr;
};

// Says what a checkpoint's folder or a file of weights holds, and what is wrong with it. Reads each file of weights
// once, from its first byte to its last, on as many threads as there are cores. Damage is part of the report. Throws
// Error(model) when `path` is neither of these, with what it is and what to do, and Error(cancelled). Thread safe.
GLM_API WeightsReport inspect_weights(const std::filesystem::path& path, const ReadingCallbacks& callbacks);

// One file of a folder that was verified.
struct VerifiedFile {
  std::filesystem::path file = {};  // within the folder
  int64_t bytes = 0;
  int64_t tensors = 0;
  std::string sha256 = {};  // 64 digits; "" where nothing needed it
  std::string compared =
      {};  // what the bytes were compared with: "the manifest", "the cache"; "" where there is nothing
  std::string problem = {};    // what is wrong first, or ""; it says what to do
  std::string tensor = {};     // the first bad tensor, or "" where the problem is the file's
  int64_t begin = 0, end = 0;  // the bytes of the file that the problem is about
};

struct VerifyReport {
  std::filesystem::path folder = {};
  std::filesystem::path manifest = {};     // that was read, or empty
  std::vector<VerifiedFile> files = {};    // by name; also those that should be there
  std::vector<std::string> warnings = {};  // such as tensors that are all zeros
  int64_t bytes = 0;                       // that were read
  double seconds = 0;                      // that reading took

  GLM_API int64_t count_problems() const;  // files with one
};

struct VerifyOptions {
  std::filesystem::path manifest = {};  // empty: SHA256SUMS in the folder, where there is one
  bool hash_all = false;                // compute the SHA-256 of all files, for write_manifest()
};

// Reads all files of a folder once. Checks each rule of the safetensors format, that shards are what their index says,
// that all numbers are finite, and what inspect_weights() checks. Compares the bytes with a manifest in sha256sum's
// format, and with the names that a Hugging Face cache gives its files. Damage is part of the report. Throws
// Error(model) when there are no weights in the folder, or the manifest can't be read, and Error(cancelled). Thread
// safe.
GLM_API VerifyReport verify_weights(const std::filesystem::path& folder, const VerifyOptions& options,
                                    const ReadingCallbacks& callbacks);

// The name of a manifest that verify_weights() finds by itself.
GLM_API std::filesystem::path default_manifest(const std::filesystem::path& folder);

// Writes the SHA-256 of all files in sha256sum's format, whole or not at all. `report` is of a call with hash_all.
// Throws Error(model) when the report has a problem, and Error(io) when the file exists or can't be written.
GLM_API void write_manifest(const VerifyReport& report, const std::filesystem::path& file);

struct RandomWeightsOptions {
  std::string dtype = "auto";  // "float32", "bfloat16", or "auto": what the configuration says
  // "autoround" quantises what auto-round does, to 4 bits. "sdnq" quantises what sdnq does, to uint4, int5 and float5.
  // "" quantises nothing.
  std::string format = {};
};

// Writes a checkpoint in the public layout to the new folder `to`: the configuration and tokenizers of the folder
// `config`, which needs no weights, and random weights. Without a format they are those that "random:CONFIG" computes
// with on a CPU. The tokenizer gets the ids that the configuration says. Needs less than 1 GB of memory for any
// configuration. `to` is there whole or not at all. Throws Error(usage) for another dtype or format, Error(model) when
// `config` can't be read, Error(io) when `to` is a file or a folder that isn't empty, or the disk has too little room,
// and Error(cancelled). callbacks: told the bytes that are written.
GLM_API void write_random_weights(const std::filesystem::path& config, const std::filesystem::path& to,
                                  const RandomWeightsOptions& options, const ReadingCallbacks& callbacks);

enum class Verdict { pass, fail, cant_tell };

// Something that upstream is known to compute with the same model.
struct SelftestCheck {
  std::string component = {};  // the folder whose files it is about: "processor" or "vision_language_encoder"
  std::string name = {};       // "tokens of "a red apple" at 256x256"
  Verdict verdict = Verdict::cant_tell;
  std::string detail = {};  // how much is as expected, what isn't, or why nobody can tell
};

struct SelftestReport {
  std::filesystem::path folder = {};
  std::string model = {};   // the known model that has these sizes, or "" where none has
  std::string device = {};  // that computed: "cpu", "cuda:0"; "" where nothing was computed
  std::vector<SelftestCheck> checks = {};
  std::vector<std::string> unchecked = {};  // components whose numbers nobody has compared

  GLM_API int64_t count(Verdict verdict) const;
  // Does a check of the weights pass? Those of the tokenizer say nothing about the weights.
  GLM_API bool weights_pass() const;
};

struct SelftestOptions {
  std::string device = "auto";  // as LoadOptions says
  Image picture = {};           // the one that upstream's test of the model starts from, or an empty one
};

struct SelftestCallbacks {
  // Get what is done and how much there is: first bytes of weights, then tokens. Called on a thread of the library's.
  std::function<void(int64_t done, int64_t total)> reading, tokens;
  const CancelToken* cancel = nullptr;
};

// Says whether a checkpoint computes what upstream's Python computes: a prompt's ids, a picture's tokens, and the first
// tokens that the prior writes without chance. This is known of nano and of the public model, which are recognised by
// the sizes in config.json. Loads the prior, and the vision tower where there is a picture, but nothing else. In
// bfloat16 a token that is nearly as likely as the likeliest counts as the same, because the last bits of logits hang
// on the device. Where weights are quantised, or the picture is the caller's, other tokens are no failure; nobody can
// tell then. Throws Error(model) when the files can't be loaded, Error(memory), Error(device), Error(usage) for another
// device's name, and Error(cancelled). Thread safe.
GLM_API SelftestReport selftest_weights(const std::filesystem::path& checkpoint, const SelftestOptions& options,
                                        const SelftestCallbacks& callbacks);

}  // namespace glm
