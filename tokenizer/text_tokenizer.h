// The prompt's tokens: byte-level BPE as tokenizer.json describes it.
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

  // text: UTF-8; invalid sequences count as U+FFFD. parse_special: text that looks like an added token
  // becomes that token, as upstream does; otherwise it stays text, as with upstream's split_special_tokens.
  // Thread safe.
  std::vector<int64_t> encode(std::string_view text, bool parse_special) const;

  // The id of an added token or whole vocabulary entry such as "<sop>". Throws Error(model) when there is
  // none.
  int64_t id_of(std::string_view token) const;

  // Things upstream would do otherwise: at most one line about the list of merges.
  const std::vector<std::string>& warnings() const;

 private:
  struct Parts;
  std::unique_ptr<const Parts> parts_;
};

}  // namespace glm
