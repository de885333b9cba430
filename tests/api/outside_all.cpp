// Every public function of C++, linked from outside; outside_test.sh looks that none of the headers' is missing here.
#include <glm/bench.h>
#include <glm/devices.h>
#include <glm/encode.h>
#include <glm/kernel_report.h>
#include <glm/media.h>
#include <glm/picture_file.h>
#include <glm/pipeline.h>
#include <glm/plan.h>
#include <glm/safety.h>
#include <glm/tasks.h>
#include <glm/weight_formats.h>
#include <glm/weights.h>

#include <iostream>

namespace {

// What a function throws is an Error, whatever it is asked.
template <typename Call>
void call(const char* name, Call function) {
  try {
    function();
    std::cout << name << "\n";
  } catch (const glm::Error& e) {
    std::cout << name << " refused: " << e.what() << "\n";
  }
}

void call_weights(const std::string& model, const std::string& file) {
  call("inspect_weights", [&] { glm::inspect_weights(model, {}).count_problems(); });
  call("verify_weights", [&] {
    const glm::VerifyReport report = glm::verify_weights(model, {.manifest = glm::default_manifest(model)}, {});
    if (report.count_problems() == 0) glm::write_manifest(report, file + ".sums");
  });
  call("selftest_weights", [&] {
    const glm::SelftestReport report = glm::selftest_weights(model, {.device = "cpu"}, {});
    std::cout << report.count(glm::Verdict::fail) << report.weights_pass() << "\n";
  });
  call("write_random_weights", [&] { glm::write_random_weights(model, file + ".random", {}, {}); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string model = argv[1];
  const std::string file = argv[2];
  const glm::Image image{16, 16, std::vector<uint8_t>(768)};
  call("write_png", [&] { glm::write_png(file, image); });
  call("read_picture", [&] { glm::read_picture(file); });
  call("encode_picture", [&] { glm::encode_picture(image, glm::PictureFormat::webp, 90, {}); });
  call("decode_picture", [] { glm::decode_picture({}); });
  call("read_about", [] { glm::read_about({}); });
  call("devices", [] { glm::devices(); });
  call("kernel_report", [] { glm::kernel_report("cuda", false); });
  call("kernel_report", [] { glm::kernel_report("", false); });
  call("first_problem", [] { glm::KernelReport().first_problem("bf16"); });
  call("usable", [] { glm::KernelReport().usable("bf16"); });
  call("weight_formats", [] { glm::weight_formats(); });
  call("precision_choices", [] { glm::precision_choices(); });
  call("whole_precision", [] { glm::whole_precision("prior=int4"); });
  call("plan", [&] { glm::plan(model, {.device = "cpu"}, {.prompt = "a"}); });
  call("bench", [&] { glm::bench(model, {.device = "cpu"}, {.prompt = "a"}, 0, [](const std::string&) {}); });
  call_weights(model, file);
  call("quoted_texts", [] { glm::quoted_texts("a \"b\""); });
  call("unread_texts", [] { glm::unread_texts("a „b“"); });
  call("checkpoint_hash", [&] { glm::checkpoint_hash(model); });
  call("stage_name", [] { glm::stage_name(glm::Stage::tokens); });
  call("default_media_folder", [] { glm::default_media_folder(); });
  call("media_pictures", [&] { glm::media_pictures(file + ".media"); });
  call("prune_media", [&] { glm::prune_media(file + ".media"); });
  call("task_schema", [] { glm::task_schema("a"); });
  call("task_answer_schema", [] { glm::task_answer_schema(); });
  call("Tasks", [&] {
    const auto load = [&] { return std::make_shared<const glm::Pipeline>(model, glm::LoadOptions{.device = "cpu"}); };
    glm::Tasks tasks(load, {});
    tasks = glm::Tasks(load, {.media = file + ".media"});
    std::cout << tasks.run(R"([{"taskType": "ping"}])", {}).json << "\n";
  });
  call("SafetyChecker", [&] {
    glm::SafetyChecker checker(model + "/../safety", {.device = "cpu"});
    checker = glm::SafetyChecker(model + "/../safety");
    std::cout << checker.check(image).flagged << "\n";
  });
  call("Pipeline", [&] {
    const glm::Pipeline pipeline(model, {.device = "cpu"});
    glm::Request request;
    request.prompt = "a";
    request.width = request.height = 128;
    request.steps = 1;
    pipeline.warnings();
    pipeline.device();
    pipeline.dtype();
    pipeline.details(request);
    pipeline.check(request);
    pipeline.tokens(std::vector<glm::Request>{request}, {});
    pipeline.generate(request, {});
    pipeline.pixels(request, pipeline.latents(request, pipeline.tokens(request, {}), {}), {});
  });
}
