#include "base/uuid.h"

#include <uuid/uuid.h>

namespace glm {

std::string new_uuid() {
  uuid_t id;
  ::uuid_generate_random(id);
  char text[UUID_STR_LEN];
  ::uuid_unparse_lower(id, text);
  return text;
}

bool is_uuid4(const std::string& text) {
  uuid_t id;
  if (text.size() != UUID_STR_LEN - 1 || ::uuid_parse(text.c_str(), id) != 0) return false;
  return ::uuid_type(id) == UUID_TYPE_DCE_RANDOM && ::uuid_variant(id) == UUID_VARIANT_DCE;
}

}  // namespace glm
