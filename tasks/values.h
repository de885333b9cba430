// Single values of a task's fields: their types, ranges, and how an error calls them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tasks/fields.h"

namespace glm::tasks {

// "invalidReferenceImages" of "invalid" and "inputs.referenceImages"
std::string code_of(const std::string& what, const std::string& path);

// What an error calls a field's type: "string", "integer", "float", "boolean", "array", "object".
std::string type_name(Kind kind);

// What a field takes, such as "a whole number from 1 to 999".
std::string expectation(const Field& field);

// The value as a message quotes it, in JSON and shortened.
std::string found_text(const nlohmann::json& value);

bool has_type(Kind kind, const nlohmann::json& value);
// value: of the field's type.
bool is_in_range(const Field& field, const nlohmann::json& value);

// Says whether the text begins as a web address: "http://" or "https://".
bool is_web_address(const std::string& text);

// Reads an integer of a field that has_type() has passed.
uint64_t whole_of(const nlohmann::json& value);

// Returns the pictures of inputs.referenceImages, inputs.references and referenceImages, each one once.
std::vector<std::string> reference_texts(const nlohmann::json& task);

// Says whether outputType asks for "URL", "base64Data" or "dataURI". Without the field it asks for "URL".
bool wants_output(const nlohmann::json& task, const std::string& type);

// Says whether the picture is to be checked: `mode` says it, and without it `checkContent` does.
bool wants_check(const nlohmann::json& task);

// Says whether the answer has only an acknowledgement: with deliveryMethod async, or a webhookURL and none.
bool is_async(const nlohmann::json& task);

}  // namespace glm::tasks
