#include "tasks/picture_sources.h"

#include <utility>

#include "base/uuid.h"
#include "glm/error.h"
#include "tasks/fields.h"
#include "tasks/picture_bytes.h"
#include "tasks/values.h"

namespace glm::tasks {
namespace {

using Found = PictureSources::Found;

Found with_bytes(std::vector<uint8_t> bytes) {
  return {.bytes = std::make_shared<const std::vector<uint8_t>>(std::move(bytes))};
}

}  // namespace

PictureSources::PictureSources(const Network& network, std::function<MediaStore&()> store, const CancelToken* cancel)
    : network_(network), store_(std::move(store)), cancel_(cancel) {}

Found PictureSources::find(const std::string& text) {
  const bool is_stored = is_uuid4(text);
  if (!is_stored && !is_web_address(text)) {
    try {
      return with_bytes(bytes_of_text(text));
    } catch (const Error& e) {
      if (e.code() != ErrorCode::usage) throw;
      return {.bytes = nullptr, .code = "invalid", .problem = e.what()};
    }
  }
  const auto known = found_.find(text);
  if (known != found_.end()) return known->second;
  Found found = is_stored ? stored(text) : fetched(text);
  if (found.bytes != nullptr) {
    bytes_ += found.bytes->size();
    if (bytes_ > kMostBytes) {
      found = {.bytes = nullptr,
               .code = "maxPayloadExceeded",
               .problem = "expected at most " + std::to_string(kMostBytes) +
                          " bytes of pictures by UUID and address, " + "found more; send fewer tasks at once"};
    }
  }
  return found_.emplace(text, found).first->second;
}

Found PictureSources::stored(const std::string& uuid) const {
  try {
    auto bytes = store_().use(uuid);
    if (bytes) return with_bytes(std::move(*bytes));
  } catch (const Error& e) {
    if (e.code() != ErrorCode::io) throw;
    return {.bytes = nullptr, .code = "serviceUnavailable", .problem = e.what()};
  }
  return {.bytes = nullptr,
          .code = "mediaNotFound",
          .problem = "expected the UUID of a picture in the media store, found one that it doesn't have"};
}

Found PictureSources::fetched(const std::string& address) const {
  try {
    return with_bytes(network_.get(address, cancel_));
  } catch (const Error& e) {
    if (e.code() == ErrorCode::usage) return {.bytes = nullptr, .code = "invalid", .problem = e.what()};
    if (e.code() == ErrorCode::io) return {.bytes = nullptr, .code = "downloadFailed", .problem = e.what()};
    throw;
  }
}

}  // namespace glm::tasks
