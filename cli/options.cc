#include "cli/options.h"

#include <algorithm>
#include <initializer_list>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "base/limits.h"
#include "base/text.h"
#include "cli/values.h"
#include "glm/error.h"
#include "glm/weight_formats.h"

namespace glm::cli {
namespace {

using O = GenerateOptions;
using Text = std::string;
using Use = std::function<void(O&, const Text&, const Text&)>;

template <typename Number>
Use whole(Number O::*to, int64_t low, int64_t high) {
  return [=](O& o, const Text& label, const Text& text) {
    o.*to = static_cast<Number>(whole_number(label, text, low, high));
  };
}
Use whole(std::optional<int64_t> O::*to, int64_t low, int64_t high) {
  return [=](O& o, const Text& label, const Text& text) { o.*to = whole_number(label, text, low, high); };
}
Use real(std::optional<double> O::*to, double low, double high) {
  return [=](O& o, const Text& label, const Text& text) { o.*to = number(label, text, low, high); };
}
Use choice(Text O::*to, const std::vector<Text>& choices) {
  return [=](O& o, const Text& label, const Text& text) { o.*to = one_of(label, text, choices); };
}
Use path(Text O::*to) {
  return [=](O& o, const Text& label, const Text& text) { o.*to = path_name(label, text); };
}
Use set(bool O::*to, bool when_true = true) {
  return [=](O& o, const Text& label, const Text& text) {
    o.*to = (one_of(label, text, {"true", "false"}) == "true") == when_true;
  };
}

// A switch.
Option flag(const Text& name, char letter, const Text& group, const Text& help, Use use = nullptr) {
  return {.name = name, .letter = letter, .value = "", .group = group, .help = help, .use = std::move(use)};
}
Option value(const Text& name, char letter, const Text& value, const Text& group, const Text& help, Use use = nullptr) {
  return {.name = name, .letter = letter, .value = value, .group = group, .help = help, .use = std::move(use)};
}
Option with_choices(Option o, std::vector<Text> choices) {
  o.choices = std::move(choices);
  return o;
}
Option of_files(Option o) {
  o.file = true;
  return o;
}
Option repeated(Option o) {
  o.repeats = true;
  return o;
}
Option excluding(Option o, std::vector<Text> names) {
  o.excludes = std::move(names);
  return o;
}
// An option that gives a new prompt. It overrules the texts of --from, because they belong to that picture's own
// prompt.
Option of_prompt(Option o, const Text& other) {
  o.excludes = {other};
  o.overrules = {"text"};
  return o;
}
Option argument(Option o) {
  o.is_argument = true;
  return o;
}
Option one_of_these(const Text& name, const Text& type, const Text& group, const Text& help, Text O::*to,
                    const std::vector<Text>& choices) {
  return with_choices(value(name, 0, type, group, help, choice(to, choices)), choices);
}

std::vector<Option> prompt_options() {
  const Text g = "Prompt";
  return {
      argument(
          of_prompt(value("prompt", 0, "PROMPT", "", "", [](O& o, const Text&, const Text& text) { o.prompt = text; }),
                    "prompt-file")),
      of_prompt(
          of_files(value("prompt-file", 0, "FILE", g, "Read the prompt, in UTF-8, from this file; - is standard input",
                         path(&O::prompt_file))),
          "prompt"),
      repeated(value("text", 0, "TEXT", g, "A text to draw, instead of those in quotes; repeat it for more texts",
                     [](O& o, const Text& label, const Text& text) { o.texts.push_back(glyph_text(label, text)); })),
      repeated(of_files(
          value("image", 'i', "FILE", g,
                "A picture to start from: PNG, JPEG, WebP, BMP or GIF of up to 33 megapixels (a JPEG 268), - is "
                "standard input; "
                "up to 8, with -i before each",
                [](O& o, const Text& label, const Text& text) { o.references.push_back(path_name(label, text)); }))),
      of_files(value(
          "from", 0, "FILE", g,
          "Draw this picture again: prompt, seed and the rest come from its metadata; other options override them",
          [](O&, const Text& label, const Text& text) { path_name(label, text); })),
      flag("parse-special", 0, g, "Read text such as <sop> as special tokens, as upstream does",
           set(&O::parse_special)),
      value("negative-prompt", 'n', "TEXT", "", "", [](O&, const Text& label, const Text&) {
        throw Error(ErrorCode::usage,
                    label +
                        ": expected none: GLM-Image was trained without one (the branch that guidance compares with "
                        "sees no text at all); say in the prompt what the picture should show instead");
      })};
}

std::vector<Option> size_options() {
  const Text g = "Picture";
  return {
      excluding(with_choices(value("size", 0, "SIZE", g,
                                   "WIDTHxHEIGHT, 128 to 2048 pixels a side; or an aspect at the model's area: 16:9, "
                                   "square, landscape (4:3), portrait (3:4) and so on; or auto (default): the model's "
                                   "size, with -i in the first picture's aspect",
                                   [](O& o, const Text& label, const Text& text) {
                                     const PictureSize size = picture_size(label, text);
                                     std::tie(o.width, o.height, o.aspect) =
                                         std::tie(size.width, size.height, size.aspect);
                                   }),
                             {"auto", "square", "landscape", "portrait", "16:9", "9:16"}),
                {"width", "height"}),
      value("width", 'W', "N", g, "Pixels, 128 to 2048", whole(&O::width, limits::kMinSide, limits::kMaxSide)),
      value("height", 'H', "N", g, "Pixels, 128 to 2048", whole(&O::height, limits::kMinSide, limits::kMaxSide)),
      value("steps", 0, "N", g, "Denoising steps, 1 to 1000 (default: the model's)",
            whole(&O::steps, 1, limits::kMaxSteps)),
      value("cfg-scale", 0, "X", g,
            "How strongly the prompt guides, 0 to 1000; 1 or less is off and twice as fast (default: the model's)",
            real(&O::guidance, 0, limits::kMaxGuidance))};
}

std::vector<Option> picture_options() {
  const Text g = "Picture";
  return {
      excluding(value("seed", 's', "N", g,
                      "The same seed, up to 2^64-1, gives the same picture; -1, the default, draws one and prints it",
                      [](O& o, const Text& label, const Text& text) { o.seed = seed_or_none(label, text); }),
                {"seeds"}),
      excluding(
          value(
              "batch-count", 'b', "N", g,
              "How many pictures, 1 to 1024; they get the seeds N, N+1, ..., and each is the same as when drawn alone",
              whole(&O::count, 1, limits::kMaxPictures)),
          {"seeds"}),
      excluding(
          value("seeds", 0, "N,N,...", g, "A picture for each of these seeds, instead of --seed and --batch-count",
                [](O& o, const Text& label, const Text& text) { o.seeds = seed_list(label, text); }),
          {"seed", "batch-count"}),
      one_of_these("rng", "STREAM", g,
                   "Whose random numbers to use, on any device: torch's on a GPU of 132 multiprocessors (cuda, "
                   "default) or on a CPU (cpu)",
                   &O::rng, {"cuda", "cpu"}),
      excluding(value("temperature", 0, "X", g, "Temperature of the image tokens, above 0 (default: the model's)",
                      real(&O::temperature, limits::kMinTemperature, limits::kMaxTemperature)),
                {"greedy"}),
      excluding(value("top-k", 0, "N", g, "Draw from the N likeliest image tokens; 0 is off (default: the model's)",
                      whole(&O::top_k, 0, limits::kMaxTopK)),
                {"greedy"}),
      excluding(value("top-p", 0, "X", g,
                      "Draw from the likeliest that make up this probability; 1 is off (default: the model's)",
                      real(&O::top_p, 0, 1)),
                {"greedy"}),
      excluding(flag("greedy", 0, g, "Take the likeliest image token instead of drawing one", set(&O::greedy)),
                {"temperature", "top-k", "top-p"}),
      flag("allow-early-stop", 0, g, "Let the model end its grid of tokens early; a short grid is an error",
           set(&O::allow_early_stop))};
}

std::vector<Option> model_options() {
  const Text g = "Model and machine";
  return {
      of_files(value(
          "model", 'm', "FOLDER", g,
          "A GLM-Image checkpoint, or its repository in a Hugging Face cache (default: the small one that comes with "
          "the program); random:FOLDER draws noise with random weights of that checkpoint's shapes, "
          "random:public with those of the public model's",
          [](O& o, const Text& label, const Text& text) { o.model = model_path(label, text); })),
      with_choices(
          value("device", 0, "DEVICE", g,
                "cpu, cuda (the first GPU that can be used), cuda:N, or auto (default): the same, else the CPU",
                [](O& o, const Text&, const Text& text) { o.device = text; }),
          {"auto", "cpu", "cuda"}),
      one_of_these("dtype", "TYPE", g,
                   "Type of the numbers to compute in: float32, bfloat16, or auto (default): the checkpoint's",
                   &O::dtype, {"auto", "float32", "bfloat16"}),
      with_choices(value("precision", 0, "COMPONENT=FORMAT,...", g,
                         "What to make of a checkpoint in bf16, to take less memory: " + listed(precision_choices()) +
                             "; with commas between components. bf16 (default) changes nothing; fp8 needs a GPU",
                         [](O& o, const Text& label, const Text& text) { o.precision = whole_precision(text, label); }),
                   precision_choices()),
      one_of_these("kernels", "WHEN", g,
                   "Our own CUDA kernels: auto (default: where they agree with LibTorch's on this GPU), off, or force",
                   &O::kernels, {"auto", "off", "force"}),
      with_choices(value("look-ahead", 0, "N", g,
                         "Tokens that are computed at once, the next one and guesses of those behind it: 1 to 16, off, "
                         "or auto (default): what turns out to be fastest. No token changes",
                         [](O& o, const Text& label, const Text& text) { o.look_ahead = look_ahead(label, text); }),
                   {"auto", "off"}),
      value("threads", 0, "N", g, "CPU threads; 0 (default): as many as the process may use",
            whole(&O::threads, 0, limits::kMaxThreads)),
      of_files(value("config", 0, "FILE", g, "Read options from this TOML file, in lines such as steps = 20"))};
}

std::vector<Option> output_options() {
  const Text g = "Output";
  return {
      of_files(value("output", 'o', "FILE", g,
                     "Picture to write, - is standard output (default: glm-image-SEED.png); of several pictures' names "
                     "%d or %03d stands for the number, %s for the seed, %% for %",
                     path(&O::output))),
      flag("overwrite", 'y', g, "Replace files that exist", set(&O::overwrite)),
      one_of_these("format", "FORMAT", g, "png, jpg or webp (default: by the end of the file's name; png without one)",
                   &O::format, {"png", "jpg", "webp"}),
      value("quality", 0, "N", g, "Quality of jpg and webp, 1 to 100 (default: 90)", whole(&O::quality, 1, 100)),
      flag("no-metadata", 0, g, "Don't write into the file how the picture was made", set(&O::metadata, false)),
      flag("json", 0, g,
           "Print one JSON object instead of the files' names; file_base64 is there for a name that isn't UTF-8",
           set(&O::json)),
      flag("dry-run", 0, g, "Only say what would be done: sizes, grids, memory, time", set(&O::dry_run)),
      flag("show", 0, g, "Show the picture in the terminal, if it can (Kitty, iTerm2, sixel)", set(&O::show)),
      flag("quiet", 'q', g, "Print nothing but errors and the files' names", set(&O::quiet)),
      flag("verbose", 'v', g, "Say more about what is done", set(&O::verbose)),
      of_files(value("dump", 0, "FILE", "Stages", "Write the stage tensors to this safetensors file", path(&O::dump))),
      one_of_these("dump-level", "LEVEL", "Stages", "stages (default), or full: the tensors inside the stages, too",
                   &O::dump_level, {"stages", "full"}),
      of_files(value("inject", 0, "FILE", "Stages",
                     "Use the stage tensors of this safetensors file instead of computing them", path(&O::inject)))};
}

Option media_option(const Text& group) {
  return of_files(value("media", 0, "FOLDER", group,
                        "Folder of the media store, which has uploads and results (default: "
                        "~/.local/share/glm-image/media)",
                        path(&O::media)));
}

std::vector<Option> task_options() {
  const Text g = "Tasks";
  return {
      argument(value("tasks", 0, "FILE", "", "", [](O& o, const Text&, const Text& text) { o.tasks = text; })),
      media_option(g),
      of_files(value("out", 0, "FOLDER", g,
                     "Write the pictures of tasks whose outputType is URL to this folder, too, and give these files' "
                     "addresses; it is made when missing",
                     path(&O::folder))),
      repeated(
          value("allow-host", 0, "HOST[:PORT]", g,
                "Let tasks reach this host: for pictures by address, webhookURL and uploadEndpoint; without PORT by "
                "80 for http and 443 for https; repeat it for more hosts (default: none)",
                [](O& o, const Text&, const Text& text) { o.allowed_hosts.push_back(text); })),
      of_files(value("safety-model", 0, "FOLDER", g,
                     "The model for tasks with safety.checkContent: Stable Diffusion's safety checker",
                     path(&O::safety_model))),
      flag("stream", 0, g, "Print a line of JSON for each result as soon as it is there, instead of one answer",
           set(&O::stream)),
      value("token-price", 0, "X", g, "What a token costs, for tasks with includeCost (default: 0)",
            real(&O::token_price, 0, limits::kMaxPrice)),
      value("step-price", 0, "X", g, "What a step costs for each million pixels (default: 0)",
            real(&O::step_price, 0, limits::kMaxPrice)),
      flag("quiet", 'q', g, "Print nothing but the answer and errors", set(&O::quiet)),
      flag("schema", 0, g, "Print the JSON Schema of the tasks"),
      flag("answer-schema", 0, g, "Print the JSON Schema of the answers")};
}

std::vector<Option> weights_options() {
  const Text g = "Options";
  return {
      of_files(value("manifest", 0, "FILE", g,
                     "For verify: the list of SHA-256 sums to compare with (default: SHA256SUMS in the folder, "
                     "where there is one)")),
      flag("write-manifest", 0, g,
           "For verify: write such a list of all files when nothing is wrong, to the FILE behind the folder "
           "(default: SHA256SUMS in the folder)"),
      of_files(value("to", 0, "FOLDER", g, "For random: the new folder to write")),
      with_choices(
          value("dtype", 0, "TYPE", g, "For random: float32, bfloat16, or auto (default): what the configuration says"),
          {"auto", "float32", "bfloat16"}),
      with_choices(value("format", 0, "FORMAT", g,
                         "For random: autoround (int4) or sdnq (uint4, int5 and float5), what these would quantise"),
                   {"autoround", "sdnq"}),
      of_files(value("image", 0, "FILE", g,
                     "For selftest: pipeline-cat-chonk.jpeg, from which one of the public model's checks starts")),
      with_choices(value("device", 0, "DEVICE", g,
                         "For selftest: cpu, cuda, cuda:N, or auto (default): a GPU that can be used, else the CPU"),
                   {"auto", "cpu", "cuda"}),
      flag("json", 0, g, "For inspect, verify and selftest: print one JSON object"),
      flag("quiet", 'q', g, "Print nothing but errors and the result")};
}

std::vector<Option> all_of(std::initializer_list<std::vector<Option>> parts) {
  std::vector<Option> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> all = {
      {"generate", "PROMPT", "Draw a picture from a prompt. Put text to be drawn in quotes.",
       all_of({prompt_options(), size_options(), picture_options(), model_options(), output_options()})},
      {"run",
       "FILE",
       "Answer tasks in JSON, as hosted services of this model take them; FILE - is standard input",
       all_of({task_options(), model_options()}),
       {},
       true,
       true},
      {"info",
       "FILE",
       "Show how a picture was made",
       {flag("json", 0, "Options", "Print the metadata as JSON")},
       {},
       true},
      {"media",
       "ACTION",
       "Look after the media store: list shows its pictures; prune, and list too, deletes those that have expired",
       {media_option("Options"), flag("json", 0, "Options", "Print JSON", set(&O::json))},
       {"list", "prune"}},
      {"weights",
       "ACTION",
       "Look at a checkpoint's weights, or make some: inspect shows what a folder or a file holds, and what is wrong "
       "with it; verify reads a folder's files whole and compares them with their SHA-256 sums; selftest says whether "
       "they compute what upstream computes; random writes random weights for a folder's configuration",
       weights_options(),
       {"inspect", "verify", "selftest", "random"},
       false,
       false,
       {"DIR", "FILE"}},
      {"bench", "", "Measure how fast a model runs on this machine",
       all_of({size_options(),
               model_options(),
               {flag("json", 0, "Output", "Print one JSON object instead of a table", set(&O::json)),
                flag("quiet", 'q', "Output", "Print nothing but errors and the result", set(&O::quiet))}})},
      {"devices", "", "List the devices that this machine can compute on", {}},
      {"kernels",
       "",
       "Check our CUDA kernels on this GPU and show the result",
       {with_choices(value("device", 0, "DEVICE", "Options", "cuda (the first GPU, default) or cuda:N"), {"cuda"}),
        flag("check", 0, "Options", "Check again, even if there is an earlier result")}},
      {"completion", "SHELL", "Print the completions of a shell", {}, {"bash", "zsh", "fish"}},
      {"man", "", "Print the manual page (glm-image man | man -l -)", {}}};
  return all;
}

const Command& command_of(const std::string& name) {
  return *std::find_if(commands().begin(), commands().end(), [&](const Command& c) { return c.name == name; });
}

const Option* find_option(const Command& command, const std::string& name) {
  const auto found =
      std::find_if(command.options.begin(), command.options.end(), [&](const Option& o) { return o.name == name; });
  return found == command.options.end() ? nullptr : &*found;
}

const Option& option_of(const Command& command, const std::string& name) {
  const Option* option = find_option(command, name);
  if (option == nullptr) throw std::logic_error("glm-image " + command.name + " has no option " + name);
  return *option;
}

const Option* find_named(const Command& command, const std::string& name) {
  if (const Option* option = find_option(command, name)) return option;
  const auto found = std::find_if(command.options.begin(), command.options.end(),
                                  [&](const Option& o) { return !name.empty() && opposite(o) == name; });
  return found == command.options.end() ? nullptr : &*found;
}

std::string environment_name(const std::string& option) {
  std::string name = "GLM_IMAGE_";
  for (const char c : option) name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

std::string opposite(const Option& option) {
  if (!option.is_switch() || !option.configurable()) return "";
  return option.name.starts_with("no-") ? option.name.substr(3) : "no-" + option.name;
}

}  // namespace glm::cli
