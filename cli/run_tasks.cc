#include "cli/run_tasks.h"

#include <memory>
#include <utility>

#include "base/refuse.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/model.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/sources.h"
#include "cli/terminal.h"
#include "glm/error.h"
#include "glm/tasks.h"

namespace glm::cli {
namespace {

constexpr const char* kKept = "; the media store has the results, and getResponse says them";
constexpr uint64_t kMostBytes = uint64_t{512} << 20;  // the library has a lower limit, and says it in the answer

std::string read_tasks(const std::string& name) {
  FileContents contents = read_input(name, kMostBytes);
  if (contents.problem == FileContents::Problem::none) return std::move(contents.bytes);
  if (contents.problem == FileContents::Problem::too_large)
    refuse(input_name(name), "at most 512 MiB of tasks", "more");
  refuse(ErrorCode::io, input_name(name), "a file of tasks to read", what_is_there(name));
}

// Draws and prints the answer. Throws Error when a task failed.
void answer(const GenerateOptions& options, const std::string& text) {
  const CancelToken& cancel = catch_interrupts();
  const std::filesystem::path model = model_of(options.model);
  const bool loud = !options.quiet;
  const auto load = [&] {
    auto pipeline = std::make_shared<const Pipeline>(model, load_options(options, cancel));
    if (loud) print_warnings(pipeline->warnings());
    return pipeline;
  };
  const Tasks tasks(load, {.media = options.media,
                           .folder = options.folder,
                           .model = model_name(model),
                           .token_price = options.token_price.value_or(0),
                           .step_price = options.step_price.value_or(0),
                           .allowed_hosts = options.allowed_hosts,
                           .safety_model = options.safety_model,
                           .safety_options = {.threads = options.threads}});
  ProgressBar bar(loud);
  TaskCallbacks callbacks;
  callbacks.progress = [&](Stage stage, int64_t done, int64_t total) { bar.update(stage, done, total); };
  callbacks.cancel = &cancel;
  callbacks.result = [&](const std::string& line) {
    bar.clear();
    if (options.stream) print_json(line, kKept);
  };
  const TaskAnswer answer = tasks.run(text, callbacks);
  bar.clear();
  release_interrupts();
  if (!options.stream) print_json(answer.json, kKept);
  if (answer.cancelled) throw Error(ErrorCode::cancelled, "interrupted; what was finished is in the answer");
  if (answer.failed > 0) {
    throw Error(ErrorCode::internal, std::to_string(answer.failed) + " of the tasks failed; the answer says why");
  }
}

}  // namespace

void run_tasks(const Values& given, const std::vector<std::string>& arguments) {
  const Command& command = command_of("run");
  Values values = given;
  if (!arguments.empty()) values["tasks"] = arguments;
  const GenerateOptions options = merged(command, sources_of(command, values));
  if (given.contains("schema")) return print(task_schema(model_name(model_of(options.model))));
  if (given.contains("answer-schema")) return print(task_answer_schema());
  if (!options.tasks) refuse("", "a FILE of tasks, or - for standard input", "none");
  if (!options.quiet) print_warnings(warnings_about_sources(command));
  answer(options, read_tasks(*options.tasks));
}

}  // namespace glm::cli
