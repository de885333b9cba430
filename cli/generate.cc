#include "cli/generate.h"

#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <utility>

#include "base/refuse.h"
#include "base/sha256.h"
#include "base/text.h"
#include "cli/characters.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/metadata.h"
#include "cli/model.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/show.h"
#include "cli/sources.h"
#include "cli/terminal.h"
#include "cli/values.h"
#include "glm/error.h"
#include "glm/picture_file.h"
#include "glm/pipeline.h"
#include "glm/plan.h"
#include "glm/weight_formats.h"

namespace glm::cli {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr double kLong = 120;  // seconds; the user is told of a longer call beforehand

// Returns the command line's options, with the prompt beside them. Only a picture's metadata have texts that stay
// exactly as they are, so that it is drawn again.
Values with_prompt(Values options, const std::vector<std::string>& arguments) {
  if (const auto texts = options.find("text"); texts != options.end()) {
    for (std::string& text : texts->second) text = text_of("--text", text);
  }
  if (arguments.empty()) return options;
  if (arguments[0] != "-") {
    options["prompt"] = {text_of("prompt", arguments[0])};
  } else if (!options.emplace("prompt-file", arguments).second) {
    refuse("--prompt-file", "no prompt beside it", "- for standard input");
  }
  return options;
}

std::string prompt_of(const GenerateOptions& o) {
  if (o.prompt_file.empty() && !o.prompt) {
    refuse(ErrorCode::usage, "", "a prompt", "none",
           "for example: glm-image generate \"a red apple\" (see glm-image generate --help)");
  }
  std::string prompt = o.prompt_file.empty() ? *o.prompt : read_prompt(o.prompt_file);
  if (!is_blank(prompt)) return prompt;
  refuse(ErrorCode::usage, "", "a prompt", "an empty one", "say what to draw");
}

// Returns a seed of 32 bits, because torch's CPU generator uses no more.
uint64_t random_seed() {
  return std::random_device{}();
}

std::vector<uint64_t> seeds_of(const GenerateOptions& o) {
  if (!o.seeds.empty()) return o.seeds;
  const uint64_t first = o.seed ? *o.seed : random_seed();
  const uint64_t last = std::numeric_limits<uint64_t>::max();
  if (static_cast<uint64_t>(o.count - 1) > last - first) {
    refuse("--seed", "one that leaves room for " + std::to_string(o.count) + " pictures up to " + std::to_string(last),
           std::to_string(first));
  }
  std::vector<uint64_t> seeds;
  for (int64_t k = 0; k < o.count; ++k) seeds.push_back(first + static_cast<uint64_t>(k));
  return seeds;
}

// Everything that `generate` does. Cheap checks come first, so that a mistake costs little time.
class Generation {
 public:
  Generation(const Values& given, const std::vector<std::string>& arguments)
      : sources_(sources_of(command_of("generate"), with_prompt(given, arguments))),
        from_(metadata_of(sources_)),
        options_(options_of(sources_, from_)),
        request_(request_of(options_, prompt_of(options_))),
        output_(options_, request_.seeds),
        model_(model_of(options_.model)) {
    read_references();
    loud_ = !options_.quiet;
    if (loud_) {
      print_warnings(warnings_about_sources(command_of("generate")));
      print_warnings(without_effect());
    }
  }

  void run() {
    const CancelToken never;  // a dry run has nothing to tidy up
    const CancelToken& cancel = options_.dry_run ? never : catch_interrupts();
    if (loud_) print_texts(request_);
    const Plan expected = plan(model_, load_options(options_, cancel), request_);
    if (options_.dry_run) {
      print_plan(expected, request_, output_.files, options_.json);
      check_told();
      return;
    }
    if (options_.verbose) print_plan(expected, request_, output_.files, /*json=*/false);
    if (loud_ && expected.seconds > kLong) {
      tell("this will take about " + duration_text(expected.seconds) + " on " + expected.device +
           "; Ctrl-C stops it\n");
    }
    if (loud_) tell_pipes();
    if (options_.show) {
      screen_.emplace();
      if (!screen_->problem().empty()) warn("--show: " + screen_->problem());
    }
    const std::unique_ptr<const Pipeline> pipeline = load(cancel);
    prepare(*pipeline);
    draw(*pipeline, cancel);
  }

 private:
  static json metadata_of(const std::vector<Source>& sources) {
    const std::string file = strongest(sources, "from");
    return file.empty() ? json() : read_metadata(path_name("from", file));
  }

  // Returns all sources' options. The metadata of --from are weaker than the command line alone.
  static GenerateOptions options_of(std::vector<Source> sources, const json& from) {
    const std::string file = strongest(sources, "from");
    if (from.is_object()) sources.insert(std::prev(sources.end()), source_of(file, from));
    return merged(command_of("generate"), std::move(sources));
  }

  static Request request_of(const GenerateOptions& o, std::string prompt) {
    Request r;
    r.prompt = std::move(prompt);
    r.texts = o.texts;
    r.width = o.width;
    r.height = o.height;
    r.aspect = o.aspect;
    r.steps = o.steps;
    r.guidance = o.guidance;
    r.seeds = seeds_of(o);
    r.rng = o.rng == "cpu" ? Rng::cpu : Rng::cuda;
    r.temperature = o.temperature;
    r.top_p = o.top_p;
    r.top_k = o.top_k;
    r.greedy = o.greedy;
    r.parse_special = o.parse_special;
    r.allow_early_stop = o.allow_early_stop;
    r.dump = o.dump;
    r.replace_dump = o.overwrite;
    r.full_taps = o.dump_level == "full";
    r.inject = o.inject;
    return r;
  }

  std::unique_ptr<const Pipeline> load(const CancelToken& cancel) const {
    try {
      return std::make_unique<const Pipeline>(model_, load_options(options_, cancel));
    } catch (const Error& e) {
      if (e.code() == ErrorCode::cancelled) interrupted();
      throw;
    }
  }

  // Reads a picture once, because a pipe can't be read a second time for its hash.
  void read_reference(const std::string& file) {
    const std::string bytes = read_picture_bytes(file);
    try {
      request_.references.push_back(decode_picture(as_bytes(bytes)));
    } catch (const Error& e) {
      throw Error(e.code(), input_name(file) + ": " + e.what());
    }
    Sha256 hash;
    hash.add(bytes);
    making_.reference_hashes.push_back(hash.hex());
  }

  void read_references() {
    for (const std::string& file : options_.references) read_reference(file);
    const json hashes = from_.is_object() ? from_.value("references", json::array()) : json::array();
    if (hashes.empty()) return;
    if (!hashes.is_array() || hashes.size() != options_.references.size()) {
      refuse("--from", "the " + std::to_string(hashes.size()) + " pictures that it was drawn from, each with -i",
             std::to_string(options_.references.size()));
    }
    if (hashes != json(making_.reference_hashes))
      warn("the pictures after -i differ from those that the picture of --from was drawn from");
  }

  // Returns a warning for each option of the command line that is allowed but has no effect.
  std::vector<std::string> without_effect() const {
    const Values& given = sources_.back().values;
    std::vector<std::string> warnings;
    if (given.contains("quality") && output_.format == PictureFormat::png) {
      warnings.emplace_back("--quality has no effect: a PNG loses nothing");
    }
    if (given.contains("dump-level") && options_.dump.empty()) {
      warnings.emplace_back("--dump-level has no effect without --dump");
    }
    return warnings;
  }

  // Says which outputs wait for a reader. The pipes of a shell's >(…) have one.
  void tell_pipes() const {
    std::vector<fs::path> all = output_.files;
    all.emplace_back(options_.dump);
    for (const fs::path& file : all) {
      std::error_code ignored;
      if (!fs::is_fifo(file, ignored) || file.string().starts_with("/dev/") || file.string().starts_with("/proc/"))
        continue;
      tell(file.string() + " is a pipe: the program waits there until something reads it; Ctrl-C ends that\n");
    }
  }

  void warn(const std::string& text) const {
    if (!options_.quiet) print_warnings({text});
  }

  // Collects the pictures' metadata, and warns of what is known once the model is loaded.
  void prepare(const Pipeline& pipeline) {
    if (loud_) print_warnings(pipeline.warnings());
    making_.request = request_;
    making_.request.references.clear();
    making_.details = pipeline.details(request_);
    if (!options_.metadata && from_.is_null()) return;
    making_.dtype = pipeline.dtype();
    making_.precision = whole_precision(options_.precision);
    making_.model = model_name(model_);
    making_.model_hash = checkpoint_hash(model_);
    const std::string hash = from_.is_object() ? metadata_text(from_, "model_hash") : making_.model_hash;
    if (hash != making_.model_hash) {
      warn("the picture of --from was drawn by another model (" + shortened(metadata_text(from_, "model"), 60) +
           "), so this one will differ; give that model's folder with -m");
    }
    const bool exif = output_.format != PictureFormat::png;
    if (options_.metadata && exif && picture_text(making_, request_.seeds[0]).about.size() > kMostExifText) {
      refuse(ErrorCode::usage, "", "a shorter prompt for the metadata of JPEG and WebP",
             std::to_string(request_.prompt.size()) + " bytes", "write a PNG, or add --no-metadata");
    }
  }

  void draw(const Pipeline& pipeline, const CancelToken& cancel) {
    ProgressBar bar(loud_);
    Callbacks callbacks;
    callbacks.progress = [&](Stage stage, int64_t done, int64_t total) { bar.update(stage, done, total); };
    callbacks.cancel = &cancel;
    callbacks.picture = [&](const Picture& picture) { write_picture(picture, cancel, &bar); };
    Result result;
    try {
      result = pipeline.generate(request_, callbacks);
    } catch (const Error& e) {
      release_interrupts();
      bar.clear();
      if (written_.empty() && e.code() != ErrorCode::cancelled) throw;
      print_results(written_, making_.details, {}, options_.json);
      if (e.code() != ErrorCode::cancelled) throw;
      interrupted();
    }
    release_interrupts();
    bar.clear();
    if (loud_) {
      print_warnings(result.warnings);
      print_summary(written_, making_.details, result);
    }
    print_results(written_, making_.details, result, options_.json);
    if (elsewhere_ > 0) {
      throw Error(ErrorCode::io, std::to_string(elsewhere_) + " of " + std::to_string(written_.size()) +
                                     " pictures couldn't be written in the place that was asked for");
    }
  }

  void write_picture(const Picture& picture, const CancelToken& cancel, ProgressBar* bar) {
    const PictureText text = options_.metadata ? picture_text(making_, picture.seed) : PictureText();
    const bool is_file = output_.files[written_.size()] != "-";
    const Output::Place place =
        output_.write(written_.size(), encode_picture(picture.image, output_.format, output_.quality, text), cancel);
    written_.push_back({is_file ? place.file : "-", picture.seed});
    if (!place.problem.empty()) {
      ++elsewhere_;
      bar->clear();
      tell("glm-image: " + printable(place.problem) + "\n");
    }
    if (screen_) {
      bar->clear();
      screen_->show(picture.image);
    }
  }

  [[noreturn]] void interrupted() const {
    const std::string count = std::to_string(written_.size()) + " of " + std::to_string(output_.files.size());
    throw Error(ErrorCode::cancelled,
                "interrupted; " + (written_.empty() ? "no picture was written" : count + " pictures were written"));
  }

  std::vector<Source> sources_;  // of options; --from isn't among them
  json from_;                    // the metadata of --from
  GenerateOptions options_;
  Request request_;
  Output output_;
  fs::path model_;
  bool loud_ = true;
  std::optional<TerminalPictures> screen_;  // with --show
  Making making_;
  std::vector<Written> written_;
  size_t elsewhere_ = 0;  // how many of them aren't in their own files
};

}  // namespace

void run_generate(const Values& given, const std::vector<std::string>& arguments) {
  Generation(given, arguments).run();
}

}  // namespace glm::cli
