#include "engine/checkpoint/number_watch.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <tuple>

#include "engine/checkpoint/coded_layout.h"
#include "engine/checkpoint/quantisation.h"

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

// Of two numbers without their signs the larger one has the larger bits.
template <typename Word>
void add_magnitudes(uint64_t& most, const char* bytes, uint64_t size) {
  constexpr Word without_sign = std::numeric_limits<Word>::max() >> 1;
  Word largest = 0;
  for (size_t i = 0; i < size / sizeof(Word); ++i) {
    largest = std::max(largest, static_cast<Word>(word_at<Word>(bytes, i) & without_sign));
  }
  most = std::max<uint64_t>(most, largest);
}

// bits: of a number, without its sign
double magnitude_of(at::ScalarType dtype, uint64_t bits) {
  switch (dtype) {
    case at::kFloat:
      return std::bit_cast<float>(static_cast<uint32_t>(bits));
    case at::kBFloat16:
      return c10::BFloat16(static_cast<uint16_t>(bits), c10::BFloat16::from_bits());
    case at::kHalf:
      return c10::Half(static_cast<uint16_t>(bits), c10::Half::from_bits());
    default:
      return 0;
  }
}

}  // namespace

NumberWatch::NumberWatch(const SafetensorsFile& file) {
  places_.reserve(file.tensors().size());
  for (const auto& [name, info] : file.tensors()) {
    places_.push_back({.name = name,
                       .dtype = info.dtype,
                       .begin = file.data_begin() + info.begin,
                       .end = file.data_begin() + info.end,
                       .seen = {},
                       .has_values = Quantisation::is_part(name) || name.ends_with(".qzeros")});
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

void NumberWatch::see_values(Place& place, const char* bytes, uint64_t count) {
  const auto is_eights = [](char byte) { return static_cast<uint8_t>(byte) == kEights; };
  place.seen.eights = place.seen.eights && std::all_of(bytes, bytes + count, is_eights);
  if (place.dtype == at::kFloat) add_magnitudes<uint32_t>(place.most, bytes, count);
  if (place.dtype == at::kBFloat16 || place.dtype == at::kHalf) add_magnitudes<uint16_t>(place.most, bytes, count);
}

void NumberWatch::see_numbers(Place& place, const char* bytes, uint64_t begin, uint64_t end) {
  if (place.has_values) see_values(place, bytes, end - begin);
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
  for (const Place& place : places_) {
    ScannedTensor& seen = all.emplace(place.name, place.seen).first->second;
    seen.most = magnitude_of(place.dtype, place.most);
  }
  return all;
}

}  // namespace glm
