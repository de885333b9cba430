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

Field task_uuid(const Text& help) {
  return field("taskUUID", Kind::uuid, help);
}

std::vector<Field> delivery_fields() {
  Field output_type = choice("outputType", {"URL", "base64Data", "dataURI"}, "URL",
                             "How the picture comes: the file:// address of a file, base64, or a data URI");
  output_type.kind = Kind::choices;
  Field format = choice("outputFormat", {"JPG", "PNG", "WEBP", "JPEG"}, "JPG", "The picture file's format");
  format.any_case = true;
  Field ttl = whole("ttl", 60, std::numeric_limits<int64_t>::max(), nullptr,
                    "Seconds after which the picture is deleted from the media store; only with outputType URL");
  return {
      output_type,
      format,
      whole("outputQuality", 20, 99, 95, "Quality of JPG and WEBP"),
      field("webhookURL", Kind::address,
            "Where each result is posted to as soon as it is there, as {\"data\":[item]} or {\"errors\":[error]}"),
      choice("deliveryMethod", {"sync", "async"}, "sync",
             "sync: the answer has the results; async, which holds with a webhookURL alone, too: it has an "
             "acknowledgement, "
             "and getResponse the results"),
      field("uploadEndpoint", Kind::address, "Where the picture's file is put; only with one result"),
      object("safety",
             {flag("checkContent", "Checks the picture; one that is flagged isn't delivered"),
              choice("mode", {"none", "fast"}, nullptr, "Whether it is checked, whatever checkContent says")},
             "Content checking, by the model of --safety-model"),
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
  const Text one_picture =
      "The picture to start from: its UUID in the media store, a web address, base64 or a data URI";
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
       "Takes a picture, shrinks it to 2048 pixels a side, and keeps it in the media store as a PNG",
       {required(task_uuid("Names the task; never used before")),
        required(field("image", Kind::picture, "The picture: a web address, base64 or a data URI"))}},
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
