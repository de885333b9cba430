// What belongs to a file beside its contents.
#pragma once

#include <sys/stat.h>

#include <filesystem>

namespace glm {

// Gives the open file `to` the owner, the group, the permissions and the extended attributes (access lists are among
// them) of the file `from`, whose status is `old`. Returns false where the system doesn't let it have all of them.
bool inherit_attributes(int to, const std::filesystem::path& from, const struct stat& old);

}  // namespace glm
