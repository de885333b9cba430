// The prompt's tokenizer: byte-level BPE as tokenizer.json describes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glm {

// Upstream: transformers TokenizersBackend (tokenizers' Tokenizer) as GlmImageProcessor holds it.
class TextTokenizer {
 public:
  // Throws Error(model) naming the file and what is broken or unsupported in it.
  explicit TextTokenizer(const std::filesystem::path& tokenizer_json);
  ~TextTokenizer();
  TextTokenizer(TextTokenizer&&) noexcept;
  TextTokenizer& operator=(TextTokenizer&&) noexcept;

  // Returns the ids of a UTF-8 text, in which invalid sequences count as U+FFFD. With parse_special, text that looks
  // like an added token becomes that token, as upstream does. Without it such text stays text, as with upstream's
  // split_special_tokens. Throws Error(model) when the file's splitting pattern fails on the text. Thread safe.
  std::vector<int64_t> encode(std::string_view text, bool parse_special) const;

  // Returns the id of an added token, such as "<sop>", or of a whole vocabulary entry. Throws Error(model) when there
  // is none.
  int64_t id_of(std::string_view token) const;

  // Says where upstream might do something else: at most one line, about the list of merges.
  const std::vector<std::string>& warnings() const;

 private:
  struct Parts;
  std::unique_ptr<const Parts> parts_;
};

}  // namespace glm
