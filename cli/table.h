// A table on standard output.
#pragma once

#include <string>
#include <vector>

namespace glm::cli {

// Prints rows that all have the same number of cells. Columns are as wide as their widest cell, and two spaces apart.
void print_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace glm::cli
