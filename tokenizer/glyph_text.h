// The texts that are to be written in the picture.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_tokenizer.h"

namespace glm {

// Returns the quoted texts: those in '…', then in “…”, then in "…", then in 「…」. Each kind is looked for by itself,
// so a text inside two kinds is found twice. Upstream: GlmImagePipeline.get_glyph_texts.
std::vector<std::string> find_glyph_texts(std::string_view prompt);

// Returns the texts that stand in marks that people quote with but find_glyph_texts() doesn't read: in other ones („…“,
// «…», ‘…’, 『…』 and so on), between two that don't belong together (“…", „…"), or behind one that nothing closes
// ("…). What stands inside a text that is read isn't among them. Only the first 8 KiB of a prompt are looked at.
std::vector<std::string> find_unread_texts(std::string_view prompt);

struct GlyphIds {
  std::vector<std::vector<int64_t>> texts;  // one row of ids per glyph text; never empty
};

// Returns the ids of these texts, or of a prompt's quoted texts. Where there are none, one empty text stands for them.
// With an even number of texts each row begins with a pad id. It counts as text (it isn't masked) and comes on top of
// max_length. Upstream: GlmImagePipeline._get_glyph_embeds.
GlyphIds glyph_ids(const ByteTokenizer& tokenizer, std::vector<std::string> texts, bool parse_special,
                   size_t max_length = 2048);
GlyphIds glyph_ids(const ByteTokenizer& tokenizer, std::string_view prompt, bool parse_special,
                   size_t max_length = 2048);

}  // namespace glm
