#include <ATen/ATen.h>

#include <algorithm>

#include "engine/boundary.h"
#include "engine/call_queue.h"
#include "engine/checkpoint/checkpoint_name.h"
#include "engine/checkpoint/known_models.h"
#include "engine/device/compute_threads.h"
#include "engine/device/device.h"
#include "engine/run/checked_files.h"
#include "engine/selftest.h"
#include "glm/error.h"
#include "glm/weights.h"

namespace glm {

namespace fs = std::filesystem;

namespace {

// Notes the threads of the calling thread's team when a call ends, also by an exception.
class NotesTeam {
 public:
  explicit NotesTeam(EndOfTeam& team) : team_(team) {}
  ~NotesTeam() {
    try {
      team_.note_team();
    } catch (...) {  // no memory is left for the list; then nobody waits for them
    }
  }
  NotesTeam(const NotesTeam&) = delete;
  NotesTeam& operator=(const NotesTeam&) = delete;

 private:
  EndOfTeam& team_;
};

// Throws Error(model) if any component of the checkpoint can't be loaded. The selftest doesn't compare all components,
// but all of them have to be good files.
void check_files(const CheckpointName& name) {
  if (name.random) return;
  const std::string problem = CheckedCheckpoint(name.folder).first_problem();
  if (!problem.empty()) throw Error(ErrorCode::model, problem);
}

SelftestReport selftest(const fs::path& checkpoint, const SelftestOptions& options,
                        const SelftestCallbacks& callbacks) {
  at::Device device = at::kCPU;
  SelftestReport report;
  EndOfTeam team;
  CallQueue queue;  // its thread ends before the team is waited for
  // A call of its own, as in Pipeline.
  queue.run([&] {
    device = guarded(at::kCPU, [&] { return open_device(options.device); });
    guarded(device, [&] {
      check_libtorch();
      std::string few;
      start_compute_threads(threads_asked(0), &few);
      compute_once();
    });
  });
  queue.run([&] {
    const NotesTeam notes(team);
    report = guarded(device, [&] {
      const CheckpointName name(checkpoint);
      check_files(name);
      return run_selftest(name, known_model(ModelConfig(name.folder)), options, callbacks, device, queue);
    });
  });
  report.unchecked = {"text_encoder", "transformer", "vae"};
  return report;
}

}  // namespace

int64_t SelftestReport::count(Verdict verdict) const {
  return std::count_if(checks.begin(), checks.end(), [&](const SelftestCheck& c) { return c.verdict == verdict; });
}

bool SelftestReport::weights_pass() const {
  return std::any_of(checks.begin(), checks.end(), [](const SelftestCheck& c) {
    return c.component == "vision_language_encoder" && c.verdict == Verdict::pass;
  });
}

SelftestReport selftest_weights(const fs::path& checkpoint, const SelftestOptions& options,
                                const SelftestCallbacks& callbacks) {
  return guarded(at::kCPU, [&] { return selftest(checkpoint, options, callbacks); });
}

}  // namespace glm
