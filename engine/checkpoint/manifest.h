// A list of files with their SHA-256, in sha256sum's format, and what a Hugging Face cache says of a file's bytes.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace glm {

// A file's name within the folder -> its SHA-256, 64 digits.
using Manifest = std::map<std::string, std::string>;

// Reads a manifest. Throws Error(model) if the file can't be read or isn't in that format, or if a name leads out of
// the folder. The message names the file and the line.
Manifest read_manifest(const std::filesystem::path& file);

// Returns the manifest in that format.
std::string manifest_text(const Manifest& manifest);

// Returns the name that a cache gives a file's bytes: a SHA-256 of 64 digits, or git's name of 40 digits for a small
// file. Returns "" if the file isn't a link into a cache. file: a snapshot's file, which is a link to ../../blobs/NAME
std::string blob_name(const std::filesystem::path& file);

}  // namespace glm
