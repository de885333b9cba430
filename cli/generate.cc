#include "cli/generate.h"

#include <csignal>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <limits>
#include <random>
#include <sstream>

#include "base/error.h"
#include "cli/progress.h"
#include "engine/pipeline.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

volatile std::sig_atomic_t g_interrupted = 0;

// The first Ctrl-C asks the engine to stop at the next token or step, the second ends the program at once.
void interrupt(int signal) {
  g_interrupted = 1;
  std::signal(signal, SIG_DFL);
}

// The model that comes with the program: beside the installed program, else in the source tree it was built from.
fs::path default_model() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path installed = program.parent_path().parent_path() / "share/glm-image/models/nano";
  const fs::path source = fs::path(GLM_SOURCE_DIR) / "models/nano";
  for (const fs::path& folder : {installed, source}) {
    if (fs::exists(folder / "model_index.json", ignored)) return folder;
  }
  throw Error(ErrorCode::model, "no model given, and none found in " + installed.string() + " or " + source.string() +
                                    "; give a checkpoint's folder with -m");
}

std::string read_prompt(const std::string& argument) {
  if (argument != "-") return argument;
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.ends_with('\n')) text.pop_back();  // the line's end, not the prompt's
  return text;
}

void parse_size(const std::string& text, Request& request) {
  if (text.empty()) return;
  int64_t width = 0;
  int64_t height = 0;
  char by = 0;
  std::istringstream in(text);
  if (!(in >> width >> by >> height) || (by != 'x' && by != 'X') || !(in >> std::ws).eof()) {
    throw Error(ErrorCode::usage, "--size: expected WIDTHxHEIGHT such as 1024x768, found \"" + text + "\"");
  }
  request.width = width;
  request.height = height;
}

// 32 bits, so that what is printed is all of the seed that torch's CPU stream uses.
uint64_t random_seed() {
  return std::random_device{}();
}

std::string stage_times(const Result& result) {
  std::ostringstream text;
  text.precision(2);
  text << std::fixed;
  for (const Result::StageTime& time : result.times) {
    text << (text.tellp() > 0 ? ", " : "") << stage_name(time.stage) << " " << time.seconds << " s";
  }
  return text.str();
}

}  // namespace

CLI::App* add_generate(CLI::App& app, GenerateOptions& o) {
  CLI::App* command = app.add_subcommand("generate", "Draw a picture from a prompt. Put text to be drawn in quotes.");
  command->add_option("PROMPT", o.prompt, "What to draw; - reads it from standard input")->required();
  command->add_option("-m,--model", o.model,
                      "Folder of a GLM-Image checkpoint (default: the small one that comes with the program)");
  command->add_option("--size", o.size, "WIDTHxHEIGHT, multiples of 32 from 128 to 2048 (default: the model's)");
  command->add_option("--steps", o.steps, "Denoising steps, 1 to 1000 (default: the model's)");
  command->add_option("--cfg-scale", o.guidance,
                      "How strongly the prompt guides; 1 or less is off and twice as fast (default: the model's)");
  command->add_option("-s,--seed", o.seed, "The same seed gives the same picture; -1 draws one and prints it")
      ->capture_default_str()
      ->check(CLI::Range(int64_t{-1}, std::numeric_limits<int64_t>::max()));
  command->add_flag("--greedy", o.greedy, "Take the likeliest image token instead of drawing one");
  command->add_option("--dtype", o.dtype, "Numbers to compute in")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "float32", "bfloat16"}));
  command->add_option("--threads", o.threads, "CPU threads; 0 takes what the machine has")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command->add_option("-o,--output", o.output, "PNG file to write (default: glm-image-SEED.png)");
  command->add_option("--dump", o.dump, "Write the stage tensors to this safetensors file");
  command->add_option("--dump-level", o.dump_level, "full adds what stands inside the stages")
      ->capture_default_str()
      ->check(CLI::IsMember({"stages", "full"}));
  command->add_option("--inject", o.inject, "Use the stage tensors of this safetensors file instead of computing them");
  command->add_flag("--parse-special", o.parse_special, "Read text such as <sop> as special tokens, as upstream does");
  command->add_flag("--allow-early-stop", o.allow_early_stop,
                    "Let the model end its grid of tokens early; a short grid is an error");
  command->add_flag("-q,--quiet", o.quiet, "Print nothing but errors");
  return command;
}

void run_generate(const GenerateOptions& o) {
  Request request{.prompt = read_prompt(o.prompt),
                  .width = {},
                  .height = {},
                  .steps = o.steps,
                  .guidance = o.guidance,
                  .seed = o.seed < 0 ? random_seed() : static_cast<uint64_t>(o.seed),
                  .greedy = o.greedy,
                  .parse_special = o.parse_special,
                  .allow_early_stop = o.allow_early_stop,
                  .dump = o.dump,
                  .dump_full = o.dump_level == "full",
                  .inject = o.inject};
  parse_size(o.size, request);

  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  const Pipeline pipeline(o.model.empty() ? default_model() : fs::path(o.model),
                          {.dtype = o.dtype, .threads = o.threads});
  if (!o.quiet) {
    for (const std::string& warning : pipeline.warnings()) std::cerr << "glm-image: warning: " << warning << "\n";
  }
  ProgressBar bar(!o.quiet);
  const Result result = pipeline.generate(
      request, {.progress = [&](Stage stage, int64_t done, int64_t total) { bar.update(stage, done, total); },
                .cancelled = [] { return g_interrupted != 0; }});
  bar.clear();
  const fs::path file =
      o.output.empty() ? fs::path("glm-image-" + std::to_string(result.seed) + ".png") : fs::path(o.output);
  write_png(file, result.image);
  if (!o.quiet) std::cout << file.string() << "  seed " << result.seed << "  (" << stage_times(result) << ")\n";
}

}  // namespace glm::cli
