#include "cli/generate.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <iterator>
#include <limits>
#include <random>
#include <sstream>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/progress.h"
#include "cli/values.h"
#include "engine/picture_file.h"
#include "engine/pipeline.h"

namespace glm::cli {

namespace fs = std::filesystem;

namespace {

volatile std::sig_atomic_t g_interrupted = 0;

// The first Ctrl-C asks the engine to stop at the next token or step, the second ends the program at once.
void interrupt(int /*signal*/) {
  g_interrupted = 1;
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
}

void catch_interrupts() {
  for (const int signal : {SIGINT, SIGTERM}) {
    // Ignored by who started us (nohup, a script's background job) stays ignored.
    if (std::signal(signal, interrupt) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
  std::signal(SIGPIPE, SIG_IGN);  // a reader of ours who leaves must not cost the picture
}

// A folder that comes with the program: beside the installed program, else in the source tree it was built from.
fs::path own_model(const std::string& name) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  const fs::path installed = program.parent_path().parent_path() / "share/glm-image/models" / name;
  const fs::path source = fs::path(GLM_SOURCE_DIR) / "models" / name;
  for (const fs::path& folder : {installed, source}) {
    if (fs::exists(folder / "model_index.json", ignored)) return folder;
  }
  throw Error(ErrorCode::model, "the model " + name + " comes with the program, and isn't in " + installed.string() +
                                    " or " + source.string() + "; give a checkpoint's folder with -m");
}

// -m's text as the engine takes it.
fs::path model_of(const std::string& text) {
  if (text.empty()) return own_model("nano");
  return text == "random:public" ? fs::path("random:" + own_model("public").string()) : fs::path(text);
}

std::string read_prompt(const std::string& argument) {
  if (argument != "-") return argument;
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (text.ends_with('\n')) text.pop_back();  // the line's end, not the prompt's
  return text;
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

// An option whose text `use` reads; it throws Error(usage) for what it can't use. Given twice, the last counts, so that
// a script's or an alias's options can be overruled.
void add_value(CLI::App& command, const std::string& names, const std::string& type, const std::string& help,
               const std::function<void(const std::string&)>& use) {
  command.add_option_function<std::string>(names, use, help)->type_name(type)->take_last();
}

void add_picture_options(CLI::App& c, GenerateOptions& o) {
  c.add_option_function<std::vector<std::string>>(
       "-i,--image",
       [&o](const std::vector<std::string>& files) {
         for (const std::string& file : files) o.references.push_back(path_name("--image", file));
       },
       "A picture to start from: PNG, JPEG, WebP, BMP or GIF; up to 8, with -i before each")
      ->type_name("FILE")
      ->allow_extra_args(false);
  add_value(c, "--size", "WIDTHxHEIGHT",
            "128 to 2048 pixels a side; auto, the default: the model's, with -i the first picture's aspect at its area",
            [&o](const std::string& text) { std::tie(o.width, o.height) = width_height("--size", text); });
  add_value(c, "--steps", "N", "Denoising steps, 1 to 1000 (default: the model's)",
            [&o](const std::string& text) { o.steps = whole_number("--steps", text, 1, 1000); });
  add_value(c, "--cfg-scale", "X",
            "How strongly the prompt guides, 0 to 1000; 1 or less is off and twice as fast (default: the model's)",
            [&o](const std::string& text) { o.guidance = number("--cfg-scale", text, 0, 1000); });
  add_value(c, "-s,--seed", "N", "The same seed gives the same picture; -1, the default, draws one and prints it",
            [&o](const std::string& text) {
              o.seed = whole_number("--seed", text, -1, std::numeric_limits<int64_t>::max());
            });
  add_value(c, "-b,--batch-count", "N",
            "Pictures with the seeds N, N+1, ... each the same as alone; 1 to 1024 (default: 1)",
            [&o](const std::string& text) { o.count = whole_number("--batch-count", text, 1, 1024); });
  add_value(c, "--seeds", "N,N,...", "A picture for each of these seeds, instead of --seed and --batch-count",
            [&o](const std::string& text) { o.seeds = seed_list("--seeds", text); });
  add_value(c, "--rng", "STREAM",
            "Random numbers of torch on a GPU of 132 multiprocessors (cuda, default) or on a CPU (cpu), on any device",
            [&o](const std::string& text) {
              o.rng = one_of("--rng", text, {"cuda", "cpu"});
            });
  c.add_flag("--greedy", o.greedy, "Take the likeliest image token instead of drawing one");
  c.add_flag("--parse-special", o.parse_special, "Read text such as <sop> as special tokens, as upstream does");
  c.add_flag("--allow-early-stop", o.allow_early_stop,
             "Let the model end its grid of tokens early; a short grid is an error");
}

void add_run_options(CLI::App& c, GenerateOptions& o) {
  add_value(c, "-m,--model", "FOLDER",
            "A GLM-Image checkpoint (default: the small one that comes with the program); random:FOLDER draws noise "
            "with random weights of its shapes, random:public of the public model's",
            [&o](const std::string& text) { o.model = path_name("--model", text); });
  add_value(c, "--device", "DEVICE",
            "cpu, cuda (the first GPU), cuda:N, or auto (default): the first GPU when it can be used, else the CPU",
            [&o](const std::string& text) { o.device = text; });
  add_value(c, "--dtype", "TYPE", "Numbers to compute in: float32, bfloat16 or auto, the checkpoint's (default)",
            [&o](const std::string& text) {
              o.dtype = one_of("--dtype", text, {"auto", "float32", "bfloat16"});
            });
  add_value(
      c, "--precision", "prior=FORMAT",
      "Weights of the prior on a GPU: prior=bf16 (default), prior=fp8, prior=int8 or prior=int4",
      [&o](const std::string& text) {
        const std::string part = "prior=";
        o.prior_precision =
            one_of("--precision", text, {"prior=bf16", "prior=fp8", "prior=int8", "prior=int4"}).substr(part.size());
      });
  add_value(c, "--kernels", "WHEN",
            "Our own CUDA kernels: auto (default: where they agree with LibTorch's on this GPU), off, or force",
            [&o](const std::string& text) {
              o.kernels = one_of("--kernels", text, {"auto", "off", "force"});
            });
  add_value(c, "--threads", "N", "CPU threads; 0, the default, takes what the machine has",
            [&o](const std::string& text) { o.threads = static_cast<int>(whole_number("--threads", text, 0, 1024)); });
  add_value(c, "-o,--output", "FILE",
            "PNG to write; %d stands for the picture's number, %s for its seed (default: glm-image-%s.png)",
            [&o](const std::string& text) { o.output = path_name("--output", text); });
  add_value(c, "--dump", "FILE", "Write the stage tensors to this safetensors file",
            [&o](const std::string& text) { o.dump = path_name("--dump", text); });
  add_value(c, "--dump-level", "LEVEL", "stages (default), or full: what stands inside the stages too",
            [&o](const std::string& text) {
              o.dump_level = one_of("--dump-level", text, {"stages", "full"});
            });
  add_value(c, "--inject", "FILE", "Use the stage tensors of this safetensors file instead of computing them",
            [&o](const std::string& text) { o.inject = path_name("--inject", text); });
  c.add_flag("-q,--quiet", o.quiet, "Print nothing but errors");
}

std::vector<uint64_t> seeds_of(const GenerateOptions& o) {
  if (!o.seeds.empty()) {
    if (o.seed >= 0 || o.count > 1) {
      throw Error(ErrorCode::usage, "--seeds: expected alone, found with --seed or --batch-count");
    }
    return o.seeds;
  }
  const uint64_t first = o.seed < 0 ? random_seed() : static_cast<uint64_t>(o.seed);
  const auto last = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (static_cast<uint64_t>(o.count - 1) > last - first) {
    throw Error(ErrorCode::usage, "--seed: expected one that leaves room for " + std::to_string(o.count) +
                                      " pictures up to " + std::to_string(last) + ", found " + std::to_string(first));
  }
  std::vector<uint64_t> seeds;
  for (int64_t k = 0; k < o.count; ++k) seeds.push_back(first + static_cast<uint64_t>(k));
  return seeds;
}

// The files to write, one for each seed: %d in the pattern is the picture's number from 1, %s its seed.
std::vector<fs::path> files_of(const std::string& pattern, const std::vector<uint64_t>& seeds) {
  std::vector<fs::path> files;
  for (const uint64_t seed : seeds) {
    std::string name = pattern.empty() ? "glm-image-%s.png" : pattern;
    const std::vector<std::pair<std::string, std::string>> stands_for = {{"%d", std::to_string(files.size() + 1)},
                                                                         {"%s", std::to_string(seed)}};
    for (const auto& [mark, value] : stands_for) {
      for (size_t at = name.find(mark); at != std::string::npos; at = name.find(mark, at + value.size())) {
        name.replace(at, mark.size(), value);
      }
    }
    if (std::find(files.begin(), files.end(), fs::path(name)) != files.end()) {
      throw Error(ErrorCode::usage, "--output: expected a file of its own for each of " + std::to_string(seeds.size()) +
                                        " pictures (%d or %s in the name), found " + name + " twice");
    }
    files.emplace_back(name);
  }
  return files;
}

std::vector<Image> read_references(const std::vector<std::string>& files) {
  std::vector<Image> pictures;
  pictures.reserve(files.size());
  for (const std::string& file : files) pictures.push_back(read_picture(file));
  return pictures;
}

Request request_of(const GenerateOptions& o) {
  return {.prompt = read_prompt(o.prompt),
          .references = read_references(o.references),
          .width = o.width,
          .height = o.height,
          .steps = o.steps,
          .guidance = o.guidance,
          .seeds = seeds_of(o),
          .rng = o.rng == "cpu" ? Rng::cpu : Rng::cuda,
          .greedy = o.greedy,
          .parse_special = o.parse_special,
          .allow_early_stop = o.allow_early_stop,
          .dump = o.dump,
          .dump_full = o.dump_level == "full",
          .inject = o.inject};
}

// The last lines, one for each picture, the last with the stages' times. A reader who left early (`| head -0`) is no
// failure: the pictures stand in their files.
void report(const std::vector<fs::path>& files, const Result& result) {
  errno = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    const Image& image = result.pictures[i].image;
    std::cout << files[i].string() << "  seed " << result.pictures[i].seed;
    if (image.width != result.rendered_width || image.height != result.rendered_height) {
      std::cout << "  " << image.width << "x" << image.height << " of " << result.rendered_width << "x"
                << result.rendered_height << ", grid " << result.rendered_width / 32 << "x"
                << result.rendered_height / 32;
    }
    if (i + 1 == files.size()) std::cout << "  (" << stage_times(result) << ")";
    std::cout << "\n";
  }
  std::cout << std::flush;
  if (!std::cout && errno != EPIPE) {
    throw Error(ErrorCode::io, "standard output can't be written (" + std::string(std::strerror(errno)) +
                                   "); the picture is in " + files.back().string());
  }
}

}  // namespace

CLI::App* add_generate(CLI::App& app, GenerateOptions& o) {
  CLI::App* command = app.add_subcommand("generate", "Draw a picture from a prompt. Put text to be drawn in quotes.");
  command->add_option("PROMPT", o.prompt, "What to draw; - reads it from standard input")->required()->type_name("");
  add_picture_options(*command, o);
  add_run_options(*command, o);
  command->footer(
      "\nExamples:\n"
      "  glm-image generate \"a red apple on a table\" -o apple.png\n"
      "  glm-image generate 'a sign that says \"OPEN\"' --size 384x256 --seed 7\n"
      "  glm-image generate \"the same cat in the snow\" -i cat.jpg -o snow.png");
  return command;
}

void run_generate(const GenerateOptions& o) {
  const Request request = request_of(o);
  const std::vector<fs::path> files = files_of(o.output, request.seeds);
  for (const fs::path& file : files) check_place(file);
  if (!o.dump.empty()) check_place(o.dump);

  catch_interrupts();
  const Pipeline pipeline(model_of(o.model), {.dtype = o.dtype,
                                              .device = o.device,
                                              .prior_precision = o.prior_precision,
                                              .kernels = o.kernels,
                                              .threads = o.threads});
  if (!o.quiet) {
    for (const std::string& warning : pipeline.warnings()) std::cerr << "glm-image: warning: " << warning << "\n";
  }
  ProgressBar bar(!o.quiet);
  const Result result = pipeline.generate(
      request, {.progress = [&](Stage stage, int64_t done, int64_t total) { bar.update(stage, done, total); },
                .cancelled = [] { return g_interrupted != 0; }});
  bar.clear();
  if (!o.quiet) {
    for (const std::string& warning : result.warnings) std::cerr << "glm-image: warning: " << warning << "\n";
  }
  for (size_t i = 0; i < files.size(); ++i) write_png(files[i], result.pictures[i].image);
  if (!o.quiet) report(files, result);
}

}  // namespace glm::cli
