// A list of files with their SHA-256, in sha256sum's format, and what a Hugging Face cache says of a file's bytes.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace glm {

// A file's name within the folder -> its SHA-256, 64 digits.
using Manifest = std::map<std::string, std::string>;

// Throws Error(model) naming the file and the line when it can't be read, isn't such a list, or leads out of the
// folder.
Manifest read_manifest(const std::filesystem::path& file);

std::string manifest_text(const Manifest& manifest);

// The name that a cache gives a file's bytes: a SHA-256 of 64 digits, or git's name for a small file, of 40. Empty
// where the file is no link into a cache. `file` is a snapshot's file, a link to ../../blobs/NAME.
std::string blob_name(const std::filesystem::path& file);

}  // namespace glm
