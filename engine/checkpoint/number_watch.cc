#include "engine/checkpoint/number_watch.h"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace glm {
namespace {

constexpr uint64_t kPart = 1 << 15;  // bytes that are looked at before anything is counted

// A floating-point number is infinite or NaN where all of these bits are set. 0: the type has no such numbers.
uint64_t special_bits(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return 0x7FF0'0000'0000'0000;
    case at::kFloat:
      return 0x7F80'0000;
    case at::kBFloat16:
      return 0x7F80;
    case at::kHalf:
      return 0x7C00;
    case at::kFloat8_e5m2:
      return 0x7C;
    case at::kFloat8_e4m3fn:  // it has no infinity, and one NaN of each sign
      return 0x7F;
    default:
      return 0;
  }
}

template <typename Word>
Word word_at(const char* bytes, size_t index) {
  Word word;
  std::memcpy(&word, bytes + index * sizeof word, sizeof word);
  return word;
}

// Adds what `count` numbers are, the first of which stands at the file's byte `at`.
template <typename Word>
void add_part(ScannedTensor& seen, const char* bytes, size_t count, Word special, uint64_t at) {
  Word any = 0;
  Word bad = 0;
  for (size_t i = 0; i < count; ++i) {  // without a branch, so that the compiler makes it wide
    const auto word = word_at<Word>(bytes, i);
    any = static_cast<Word>(any | word);
    bad = static_cast<Word>(bad | ((word & special) == special ? 1 : 0));
  }
  if (any != 0) seen.zeros = false;
  if (bad == 0 || special == 0) return;
  for (size_t i = 0; i < count; ++i) {
    if ((word_at<Word>(bytes, i) & special) != special) continue;
    if (seen.not_finite++ == 0) seen.begin = at + i * sizeof(Word);
    seen.end = at + (i + 1) * sizeof(Word);
  }
}

template <typename Word>
void add_numbers(ScannedTensor& seen, const char* bytes, uint64_t size, uint64_t special, uint64_t at) {
  for (uint64_t done = 0; done < size; done += kPart) {
    const uint64_t part = std::min(kPart, size - done);
    add_part<Word>(seen, bytes + done, part / sizeof(Word), static_cast<Word>(special), at + done);
  }
}

}  // namespace

NumberWatch::NumberWatch(const SafetensorsFile& file) {
  places_.reserve(file.tensors().size());
  for (const auto& [name, info] : file.tensors()) {
    places_.push_back({name, info.dtype, file.data_begin() + info.begin, file.data_begin() + info.end, {}});
    if (info.begin == info.end) places_.back().seen.zeros = false;
  }
  std::sort(places_.begin(), places_.end(),
            [](const Place& a, const Place& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
}

void NumberWatch::see(const char* bytes, uint64_t count) {
  const uint64_t end = offset_ + count;
  for (size_t i = next_; i < places_.size() && places_[i].begin < end; ++i) {
    Place& place = places_[i];
    const uint64_t size = c10::elementSize(place.dtype);
    const auto whole = [&](uint64_t to) { return place.begin + (to - place.begin) / size * size; };
    const uint64_t first = whole(std::max(place.begin, offset_));  // it may have begun in the block before
    const uint64_t last = whole(std::min(place.end, end));
    if (first < last)
      see_numbers(place, bytes + (static_cast<int64_t>(first) - static_cast<int64_t>(offset_)), first, last);
    if (place.end <= end) next_ = i + 1;
  }
  offset_ = end;
}

void NumberWatch::see_numbers(Place& place, const char* bytes, uint64_t begin, uint64_t end) {
  const uint64_t special = special_bits(place.dtype);
  switch (c10::elementSize(place.dtype)) {
    case 8:
      return add_numbers<uint64_t>(place.seen, bytes, end - begin, special, begin);
    case 4:
      return add_numbers<uint32_t>(place.seen, bytes, end - begin, special, begin);
    case 2:
      return add_numbers<uint16_t>(place.seen, bytes, end - begin, special, begin);
    default:
      return add_numbers<uint8_t>(place.seen, bytes, end - begin, special, begin);
  }
}

std::map<std::string, ScannedTensor> NumberWatch::result() const {
  std::map<std::string, ScannedTensor> all;
  for (const Place& place : places_) all.emplace(place.name, place.seen);
  return all;
}

}  // namespace glm
