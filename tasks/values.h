// Single values of a task's fields: their types, ranges, and how an error calls them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tasks/fields.h"

namespace glm::tasks {

// ASCII letters in lower case, whatever the locale: "bb7d4356-…" of "BB7D4356-…"
std::string lower_case(std::string text);

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

// Says whether a picture, or one of a list of pictures, is a web address or a UUID.
bool has_address(Kind kind, const nlohmann::json& value);

// Reads an integer of a field that has_type() has passed.
uint64_t whole_of(const nlohmann::json& value);

// Returns the pictures of inputs.referenceImages, inputs.references and referenceImages, each one once.
std::vector<std::string> reference_texts(const nlohmann::json& task);

// Says whether outputType asks for "URL", "base64Data" or "dataURI". Without the field it asks for "URL".
bool wants_output(const nlohmann::json& task, const std::string& type);

}  // namespace glm::tasks
