#include "tasks/schema.h"

#include <cstdio>
#include <string>
#include <utility>

#include "base/text.h"

namespace glm::tasks {
namespace {

using Schema = nlohmann::ordered_json;

constexpr const char* kDialect = "https://json-schema.org/draft/2020-12/schema";
// A pattern that ends with kEnd matches no text with more behind it, not even the end of a line.
constexpr const char* kEnd = "(?![\\s\\S])";
constexpr const char* kUuid =
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}(?![\\s\\S])";

Schema uuid_schema() {
  return {{"type", "string"}, {"pattern", std::string("^") + kUuid}};
}

// "[jJ][pP][gG]" of "JPG"
std::string in_any_case(const std::string& word) {
  std::string pattern;
  const std::string lower = lower_case(word);
  for (size_t i = 0; i < word.size(); ++i) pattern += std::string("[") + lower[i] + word[i] + "]";
  return pattern;
}

Schema choice_schema(const Field& field) {
  if (!field.any_case) return {{"type", "string"}, {"enum", field.choices}};
  std::string pattern = "^(?:";
  for (const std::string& choice : field.choices) pattern += in_any_case(choice) + "|";
  pattern.back() = ')';
  return {{"type", "string"}, {"pattern", pattern + kEnd}};
}

Schema prompt_schema(const Field& field) {
  std::string blanks;
  for (const auto& range : kBlanks) {
    char text[32];
    std::snprintf(text, sizeof text, "\\u%04x-\\u%04x", range[0], range[1]);
    blanks += text;
  }
  std::string ink = "[^";  // the first and the last character that is no blank
  ink.append(blanks).append("]");
  return {{"type", "string"},
          {"minLength", field.low},
          {"maxLength", field.high},
          {"allOf", {{{"pattern", ink + "[\\s\\S]*" + ink}}, {{"not", {{"pattern", "\\u0000"}}}}}}};
}

// A UUID, a web address, base64 or a data URI; whether there is a picture behind it, no schema says.
Schema picture_schema() {
  return {{"type", "string"}, {"minLength", 1}};
}

Schema pictures_schema() {
  Schema item = {{"type", "object"},
                 {"properties", {{"image", picture_schema()}}},
                 {"required", {"image"}},
                 {"additionalProperties", false}};
  for (const char* key : {"role", "tag", "type"}) item["properties"][key] = {{"type", "string"}};
  item["properties"]["strength"] = {{"type", "number"}};
  return {{"type", "array"}, {"minItems", 1}, {"maxItems", 1}, {"items", {{"anyOf", {picture_schema(), item}}}}};
}

Schema object_schema(const std::vector<Field>& fields);

Schema kind_schema(const Field& field) {
  switch (field.kind) {
    case Kind::text:
      return {{"type", "string"}};
    case Kind::address:
      return {{"type", "string"}, {"format", "uri"}, {"pattern", "^[hH][tT][tT][pP][sS]?://"}};
    case Kind::prompt:
      return prompt_schema(field);
    case Kind::uuid:
      return uuid_schema();
    case Kind::whole:
      return {{"type", "integer"}, {"minimum", field.low}, {"maximum", field.high}};
    case Kind::hundredths:
      return {{"type", "number"}, {"minimum", field.low}, {"maximum", field.high}};
    case Kind::flag:
      return {{"type", "boolean"}};
    case Kind::choice:
      return choice_schema(field);
    case Kind::choices:
      return {{"anyOf",
               {choice_schema(field),
                {{"type", "array"}, {"items", choice_schema(field)}, {"minItems", 1}, {"uniqueItems", true}}}}};
    case Kind::picture:
      return picture_schema();
    case Kind::pictures:
      return pictures_schema();
    case Kind::object:
      return object_schema(field.fields);
  }
  return {};
}

Schema field_schema(const Field& field) {
  Schema schema = field.only.is_null() ? kind_schema(field) : Schema{{"const", field.only}};
  schema["description"] = field.help + (field.refusal.empty() ? "" : "; " + field.refusal);
  if (!field.fallback.is_null()) schema["default"] = field.fallback;
  return schema;
}

Schema object_schema(const std::vector<Field>& fields) {
  Schema schema = {{"type", "object"}, {"properties", Schema::object()}, {"additionalProperties", false}};
  std::vector<std::string> required;
  for (const Field& field : fields) {
    schema["properties"][field.name] = field_schema(field);
    if (field.required) required.push_back(field.name);
  }
  if (!required.empty()) schema["required"] = required;
  return schema;
}

Schema type_schema(const TaskType& type) {
  Schema schema = {{"description", type.help}};
  schema.update(object_schema(type.fields));
  schema["properties"]["taskType"] = {{"const", type.name}};
  if (type.name != "imageInference") return schema;
  schema["$comment"] = "fields that mean the reference picture have to have the same, which no schema can say";
  schema["dependentRequired"] = {{"width", {"height"}}, {"height", {"width"}}};
  const Schema has_url = {{"anyOf", {{{"const", "URL"}}, {{"type", "array"}, {"contains", {{"const", "URL"}}}}}}};
  schema["allOf"] = {
      {{"if", {{"required", {"ttl"}}}}, {"then", {{"properties", {{"outputType", has_url}}}}}},
      {{"if", {{"required", {"uploadEndpoint"}}}}, {"then", {{"properties", {{"numberResults", {{"maximum", 1}}}}}}}}};
  return schema;
}

// An answer's object that has these fields and no others.
Schema closed(const Schema& properties, const std::vector<std::string>& required) {
  return {{"type", "object"}, {"properties", properties}, {"required", required}, {"additionalProperties", false}};
}

Schema error_schema() {
  const Schema text = {{"type", "string"}};
  return closed({{"code", text},
                 {"message", text},
                 {"parameter", text},
                 {"type", {{"enum", {"string", "integer", "float", "boolean", "array", "object"}}}},
                 {"allowedValues", {{"type", "array"}, {"minItems", 1}, {"items", text}}},
                 {"taskType", text},
                 {"taskUUID", text}},
                {"code", "message"});
}

Schema picture_item_schema() {
  const Schema number = {{"type", "number"}, {"minimum", 0}};
  Schema item = closed({{"taskType", {{"const", "imageInference"}}},
                        {"taskUUID", uuid_schema()},
                        {"status", {{"const", "success"}}},
                        {"imageUUID", uuid_schema()},
                        {"imageURL", {{"type", "string"}, {"pattern", "^file:///"}}},
                        {"imageBase64Data", {{"type", "string"}, {"pattern", "^[A-Za-z0-9+/]+={0,2}$"}}},
                        {"imageDataURI", {{"type", "string"}, {"pattern", "^data:image/(jpeg|png|webp);base64,"}}},
                        {"seed", {{"type", "integer"}, {"minimum", 0}}},
                        {"NSFWContent", {{"type", "boolean"}}},
                        {"cost", number},
                        {"seconds", number}},
                       {"taskType", "taskUUID", "imageUUID", "seed"});
  // A picture that was flagged isn't delivered.
  item["if"] = {{"properties", {{"NSFWContent", {{"const", true}}}}}, {"required", {"NSFWContent"}}};
  item["then"] = {{"properties", {{"imageURL", false}, {"imageBase64Data", false}, {"imageDataURI", false}}}};
  item["else"] = {
      {"anyOf", {{{"required", {"imageURL"}}}, {{"required", {"imageBase64Data"}}}, {{"required", {"imageDataURI"}}}}}};
  return item;
}

}  // namespace

Schema schema_of(const std::vector<TaskType>& types) {
  std::vector<std::string> names;
  Schema definitions = Schema::object();
  Schema by_type = Schema::array();
  for (const TaskType& type : types) {
    names.push_back(type.name);
    definitions[type.name] = type_schema(type);
    by_type.push_back({{"if", {{"properties", {{"taskType", {{"const", type.name}}}}}}},
                       {"then", {{"$ref", "#/$defs/" + type.name}}}});
  }
  return {
      {"$schema", kDialect},
      {"title", "GLM-Image tasks"},
      {"description", "What glm-image run takes. Each taskUUID but those of getResponse and getTaskDetails is new."},
      {"type", "array"},
      {"minItems", 1},
      {"maxItems", kMostTasks},
      {"items",
       {{"type", "object"},
        {"required", {"taskType"}},
        {"properties", {{"taskType", {{"enum", names}}}}},
        {"allOf", by_type}}},
      {"$defs", definitions}};
}

Schema answer_schema() {
  const auto named = [](const char* type) { return Schema{{"const", type}}; };
  const Schema uuid = uuid_schema();
  const Schema processing = closed(
      {{"taskType", named("imageInference")}, {"taskUUID", uuid}, {"imageUUID", uuid}, {"status", named("processing")}},
      {"taskType", "taskUUID", "imageUUID", "status"});
  const Schema acknowledged =
      closed({{"taskType", named("imageInference")}, {"taskUUID", uuid}}, {"taskType", "taskUUID"});
  const Schema upload = closed({{"taskType", named("imageUpload")},
                                {"taskUUID", uuid},
                                {"status", named("success")},
                                {"imageUUID", uuid},
                                {"imageURL", {{"type", "string"}, {"pattern", "^file:///"}}}},
                               {"taskType", "taskUUID", "imageUUID", "imageURL"});
  const Schema details =
      closed({{"taskType", named("getTaskDetails")},
              {"taskUUID", uuid},
              {"request", {{"$comment", "as the task came"}, {"type", "array"}, {"minItems", 1}, {"maxItems", 1}}},
              {"response", {{"$ref", "#"}}}},
             {"taskType", "taskUUID", "request", "response"});
  const Schema pong =
      closed({{"taskType", named("ping")}, {"taskUUID", uuid}, {"pong", {{"const", true}}}}, {"taskType", "pong"});
  const Schema session = closed({{"taskType", named("authentication")}, {"connectionSessionUUID", uuid}},
                                {"taskType", "connectionSessionUUID"});
  return {
      {"$schema", kDialect},
      {"title", "GLM-Image answers"},
      {"description", "What glm-image run prints."},
      {"type", "object"},
      {"properties",
       {{"data",
         {{"type", "array"},
          {"items", {{"oneOf", {picture_item_schema(), processing, acknowledged, upload, details, pong, session}}}}}},
        {"errors", {{"type", "array"}, {"minItems", 1}, {"items", error_schema()}}}}},
      {"anyOf", {{{"required", {"data"}}}, {{"required", {"errors"}}}}},
      {"additionalProperties", false}};
}

}  // namespace glm::tasks
