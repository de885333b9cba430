// A table on standard output.
#pragma once

#include <string>
#include <vector>

namespace glm::cli {

// Rows of as many cells each; columns are as wide as their widest cell, two spaces apart.
void print_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace glm::cli
