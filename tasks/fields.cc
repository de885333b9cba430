#include "tasks/fields.h"

#include <limits>
#include <utility>

#include "base/limits.h"

namespace glm::tasks {
namespace {

using Text = std::string;
using Texts = std::vector<std::string>;

Field field(const Text& name, Kind kind, const Text& help) {
  return {.name = name, .kind = kind, .help = help};
}
Field required(Field f) {
  f.required = true;
  return f;
}
Field whole(const Text& name, uint64_t low, uint64_t high, nlohmann::json fallback, const Text& help) {
  Field f = field(name, Kind::whole, help);
  f.low = low;
  f.high = high;
  f.fallback = std::move(fallback);
  return f;
}
Field flag(const Text& name, const Text& help) {
  Field f = field(name, Kind::flag, help);
  f.fallback = false;
  return f;
}
Field choice(const Text& name, Texts choices, nlohmann::json fallback, const Text& help) {
  Field f = field(name, Kind::choice, help);
  f.choices = std::move(choices);
  f.fallback = std::move(fallback);
  return f;
}
Field object(const Text& name, std::vector<Field> fields, const Text& help) {
  Field f = field(name, Kind::object, help);
  f.fields = std::move(fields);
  return f;
}
// Takes nothing but this value.
Field only(Field f, nlohmann::json value, const Text& why) {
  f.only = std::move(value);
  f.refusal = why;
  return f;
}
Field refused(Field f, const Text& why) {
  f.refusal = why;
  return f;
}

Field task_uuid(const Text& help) {
  return field("taskUUID", Kind::uuid, help);
}

std::vector<Field> delivery_fields() {
  const Text no_network = "this program doesn't reach the network";
  const Text no_check = "this program has no model that checks pictures";
  Field output_type = choice("outputType", {"URL", "base64Data", "dataURI"}, "URL",
                             "How the picture comes: the file:// address of a file, base64, or a data URI");
  output_type.kind = Kind::choices;
  Field format = choice("outputFormat", {"JPG", "PNG", "WEBP", "JPEG"}, "JPG", "The picture file's format");
  format.any_case = true;
  Field ttl = whole("ttl", 60, std::numeric_limits<int64_t>::max(), nullptr,
                    "Seconds that the file is wanted for; only with outputType URL. Files are never deleted here");
  return {
      output_type,
      format,
      whole("outputQuality", 20, 99, 95, "Quality of JPG and WEBP"),
      refused(field("webhookURL", Kind::address, "Where results are sent to"), no_network),
      choice("deliveryMethod", {"sync", "async"}, "sync",
             "sync: the answer has the results; async: it has an acknowledgement, and getResponse the results"),
      refused(field("uploadEndpoint", Kind::address, "Where pictures are put"), no_network),
      object("safety",
             {only(flag("checkContent", "Checks the picture"), false, no_check),
              only(choice("mode", {"none", "fast"}, "none", "How it is checked"), "none", no_check)},
             "Content checking"),
      ttl,
      flag("includeCost", "Adds cost and the seconds that were measured to each result"),
      whole("numberResults", 1, 20, 1, "How many pictures; result i has the seed plus i"),
  };
}

std::vector<Field> generation_fields(const Text& model) {
  Texts models = {"runware:glm-image@0", "zai-glm-image"};
  if (!model.empty() && model != models[0] && model != models[1]) models.push_back(model);
  Field prompt = required(field("positivePrompt", Kind::prompt, "What to draw; text to be drawn stands in quotes"));
  prompt.low = 2;
  prompt.high = 3000;
  Field guidance =
      field("CFGScale", Kind::hundredths, "How strongly the prompt guides, in hundredths: other numbers are rounded");
  guidance.low = 1;
  guidance.high = 30;
  guidance.fallback = 10;
  const Text pixels = "Pixels; width and height belong together";
  const auto side = [&](const Text& name) {
    return whole(name, static_cast<uint64_t>(limits::kMinSide), static_cast<uint64_t>(limits::kMaxSide), 1024, pixels);
  };
  const Text one_picture = "The picture to start from, in base64 or as a data URI";
  return {
      required(choice("model", models, nullptr, "The model")),
      prompt,
      side("width"),
      side("height"),
      whole("seed", 0, 9223372036854776000U, nullptr, "The same seed gives the same picture; without one it is drawn"),
      whole("steps", 1, 999, 100, "Denoising steps"),
      guidance,
      object("inputs",
             {field("referenceImages", Kind::pictures, one_picture),
              field("references", Kind::pictures, "The same as referenceImages, as older clients send it beside it")},
             "What the picture starts from"),
      field("referenceImages", Kind::pictures, "The same as inputs.referenceImages, as older clients send it"),
      only(field("scheduler", Kind::text, "Sent by a client's workflow"), "Default", "GLM-Image has only one"),
      only(field("clipSkip", Kind::whole, "Sent by a client's workflow"), 0, "GLM-Image has nothing to skip"),
  };
}

}  // namespace

std::vector<TaskType> task_types(const std::string& model) {
  std::vector<Field> inference = {required(task_uuid("Names the task; never used before"))};
  for (const auto& part : {delivery_fields(), generation_fields(model)}) {
    inference.insert(inference.end(), part.begin(), part.end());
  }
  const Field earlier = required(task_uuid("The UUID of an earlier task"));
  Field ping = flag("ping", "Sent by clients that speak over a socket");
  ping.fallback = nullptr;
  return {
      {"imageInference", "Draws pictures", inference},
      {"imageUpload",
       "Takes a picture, shrinks it to 2048 pixels a side, and writes it as a PNG",
       {required(task_uuid("Names the task; never used before")),
        required(field("image", Kind::picture, "The picture, in base64 or as a data URI"))}},
      {"getResponse", "Answers with the results of an earlier task", {earlier}},
      {"getTaskDetails", "Answers with an earlier task and what came of it", {earlier}},
      {"ping", "Answers that the program is there", {ping, task_uuid("Comes back with the answer")}},
      {"authentication",
       "Answers as if the key were right: a local program needs none",
       {required(field("apiKey", Kind::text, "Any text")),
        field("connectionSessionUUID", Kind::text, "The session to go on with; each call gets a new one")}},
  };
}

}  // namespace glm::tasks
