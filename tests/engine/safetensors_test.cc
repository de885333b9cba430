// The container against broken files: each rule of the format has a file that breaks it.
#include "engine/checkpoint/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <random>

#include "engine/checkpoint/dtype.h"
#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

std::string length_bytes(uint64_t n) {
  return {reinterpret_cast<const char*>(&n), sizeof n};
}

std::string file_bytes(const std::string& header, const std::string& data = "") {
  return length_bytes(header.size()) + header + data;
}

std::string entry(const std::string& dtype, const std::string& shape, uint64_t begin, uint64_t end) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":[)" + std::to_string(begin) + "," +
         std::to_string(end) + "]}";
}

// One tensor x of 8 bytes of data, but for what is said.
std::string with_entry(const std::string& x) {
  return file_bytes(R"({"x":)" + x + "}", std::string(8, '\1'));
}

struct Broken {
  std::string what;
  std::string bytes;
  std::vector<std::string> said;  // beside the file's name
};

class BrokenFile : public testing::Test {
 protected:
  void expect_refused(const std::vector<Broken>& all) {
    const fs::path file = folder_ / "broken.safetensors";
    for (Broken broken : all) {
      write_bytes(file, broken.bytes);
      broken.said.push_back(file.string());
      EXPECT_TRUE(refused(ErrorCode::model, broken.said, [&] { SafetensorsFile opened(file); })) << broken.what;
    }
  }
  const TemporaryFolder folder_;
};

TEST_F(BrokenFile, Lengths) {
  expect_refused({
      {"empty", "", {"a safetensors file", "an empty file"}},
      {"seven bytes", "1234567", {"at least 8 bytes", "found 7"}},
      {"the reference reader's limit", length_bytes(100'000'001) + "{}", {"at most 100000000", "found 100000001"}},
      {"within the limit but not the file", length_bytes(100'000'000) + "{}", {"needs 100000008", "has 10"}},
      {"one byte beyond the file", length_bytes(3) + "{}", {"needs 11", "has 10"}},
      {"8 + N overflows", length_bytes(UINT64_MAX) + "{}", {"found 18446744073709551615"}},
      {"8 + N is 0", length_bytes(UINT64_MAX - 7) + "{}", {"found 18446744073709551608"}},
      {"no header", length_bytes(0), {"doesn't start with {"}},
  });
}

TEST_F(BrokenFile, OtherKindsAreNamed) {
  expect_refused({
      {"a pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:4f\nsize 7\n", {"Git LFS", "git lfs pull"}},
      {"a page", "\n\n<!doctype HTML><html>", {"a web page", "in a browser"}},
      {"an error of a server", "<?xml version='1.0'?><Error>AccessDenied</Error>", {"a web page"}},
      {"PyTorch's", "PK\3\4" + std::string(100, 'x'), {"a ZIP archive, or PyTorch's own weights"}},
      {"a pickle", "\x80\2" + std::string(100, 'x'), {"pickle"}},
      {"GGUF", "GGUF\3" + std::string(100, '\0'), {"GGUF"}},
      {"gzip", "\x1f\x8b" + std::string(100, 'x'), {"gzip"}},
      {"tar", std::string(257, 'x') + "ustar" + std::string(1000, 'x'), {"tar"}},
      {"an old pointer", "version https://hawser.github.com/spec/v1\noid sha256:4f\nsize 7\n", {"old Git LFS"}},
      {"git-annex", "/annex/objects/SHA256E-s7--4f.safetensors\n", {"git-annex"}},
      {"the hub's answer", "Entry not found", {"a text that begins with \"Entry not found\""}},
      {"a server's answer", R"({"error":"Invalid username or password."})", {"a text that begins with", "error"}},
      {"zeros", std::string(1000, '\0'), {"zeros at its beginning", "download it again"}},
  });
}

TEST_F(BrokenFile, HeadersThatAreNoJson) {
  const std::string nul("{}\0garbage", 10);
  expect_refused({
      {"a list", file_bytes("[]"), {"doesn't start with {"}},
      {"a space before", file_bytes(" {}"), {"doesn't start with {"}},
      {"a byte-order mark before", file_bytes("\xEF\xBB\xBF{}"), {"doesn't start with {"}},
      {"not closed", file_bytes("{"), {"not valid JSON"}},
      {"text behind", file_bytes("{} x"), {"not valid JSON"}},
      {"a second object", file_bytes("{}{}"), {"not valid JSON"}},
      {"padded with NUL", file_bytes(nul), {"NUL"}},
      {"a comment", file_bytes("{/**/}"), {"not valid JSON"}},
      {"invalid UTF-8", file_bytes("{\"\xFF\":1}"), {"not valid JSON", "UTF-8"}},
      {"UTF-8 of a surrogate", file_bytes("{\"\xED\xA0\x80\":1}"), {"not valid JSON"}},
      {"a lone surrogate", file_bytes(R"({"\ud800":1})"), {"not valid JSON"}},
      {"a number beyond double", file_bytes(R"({"x":1e999})"), {"not valid JSON"}},
      {"NaN", file_bytes(R"({"x":NaN})"), {"not valid JSON"}},
  });
}

TEST_F(BrokenFile, HeadersThatRepeatOrNest) {
  const std::string x = R"("x":)" + entry("U8", "[8]", 0, 8);
  const std::string data(8, '\0');
  expect_refused({
      {"a tensor twice", file_bytes("{" + x + "," + x + "}", data), {"\"x\"", "twice"}},
      {"twice, once escaped", file_bytes("{" + x + R"(,"\u0078":1})", data), {"\"x\"", "twice"}},
      {"a key of a tensor twice",
       with_entry(R"({"dtype":"U8","dtype":"U8","shape":[8],"data_offsets":[0,8]})"),
       {"\"dtype\"", "twice"}},
      {"metadata twice", file_bytes(R"({"__metadata__":{},"__metadata__":{}})"), {"\"__metadata__\"", "twice"}},
      {"a key of metadata twice", file_bytes(R"({"__metadata__":{"a":"1","a":"2"}})"), {"\"a\"", "twice"}},
      {"a shape of lists", with_entry(entry("U8", "[[8]]", 0, 8)), {"deeper than 3"}},
      {"lists without end",
       file_bytes(R"({"x":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}"),
       {"deeper than 3"}},
      {"objects without end",
       file_bytes([] {
         std::string text;
         for (int i = 0; i < 100'000; ++i) text += R"({"x":)";
         return text;
       }()),
       {"deeper than 3"}},
  });
}

TEST_F(BrokenFile, Metadata) {
  expect_refused({
      {"text", file_bytes(R"({"__metadata__":"x"})"), {"__metadata__", "an object", "\"x\""}},
      {"a list", file_bytes(R"({"__metadata__":["x"]})"), {"__metadata__", "an object", "[\"x\"]"}},
      {"null", file_bytes(R"({"__metadata__":null})"), {"__metadata__", "an object", "null"}},
      {"a number in it", file_bytes(R"({"__metadata__":{"steps":1}})"), {"__metadata__", "steps", "text", "found 1"}},
      {"an object in it", file_bytes(R"({"__metadata__":{"a":{}}})"), {"__metadata__", "a", "text", "found {}"}},
  });
}

TEST_F(BrokenFile, Entries) {
  const std::string keys = "expected the keys dtype, shape and data_offsets";
  expect_refused({
      {"a number", with_entry("1"), {"\"x\"", keys, "found 1"}},
      {"null", with_entry("null"), {"\"x\"", keys}},
      {"nothing", with_entry("{}"), {"\"x\"", keys, "found {}"}},
      {"no dtype", with_entry(R"({"shape":[8],"data_offsets":[0,8]})"), {"\"x\"", keys}},
      {"no shape", with_entry(R"({"dtype":"U8","data_offsets":[0,8]})"), {"\"x\"", keys}},
      {"no offsets", with_entry(R"({"dtype":"U8","shape":[8]})"), {"\"x\"", keys}},
      {"a key more", with_entry(R"({"dtype":"U8","shape":[8],"data_offsets":[0,8],"y":1})"), {"\"x\"", keys}},
      {"another key instead", with_entry(R"({"dtype":"U8","shape":[8],"offsets":[0,8]})"), {"\"x\"", keys}},
      {"a dtype of torch", with_entry(entry("float32", "[2]", 0, 8)), {"\"x\"", "dtype", "\"float32\""}},
      {"a dtype of lower case", with_entry(entry("f32", "[2]", 0, 8)), {"\"x\"", "dtype", "\"f32\""}},
      {"a dtype that is none", with_entry(R"({"dtype":4,"shape":[8],"data_offsets":[0,8]})"), {"\"x\"", "dtype 4"}},
      {"one size", with_entry(entry("U8", "8", 0, 8)), {"\"x\"", "shape"}},
      {"17 sizes", with_entry(entry("U8", "[8,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 0, 8)), {"\"x\"", "at most 16"}},
      {"one offset", with_entry(R"({"dtype":"U8","shape":[8],"data_offsets":[8]})"), {"\"x\"", "pair"}},
      {"three offsets", with_entry(R"({"dtype":"U8","shape":[8],"data_offsets":[0,4,8]})"), {"\"x\"", "pair"}},
      {"an offset below 0", with_entry(R"({"dtype":"U8","shape":[8],"data_offsets":[-8,0]})"), {"\"x\"", "-8"}},
      {"an offset in text", with_entry(R"({"dtype":"U8","shape":[8],"data_offsets":["0",8]})"), {"\"x\"", "\"0\""}},
      {"a name without end",
       file_bytes("{\"" + std::string(1025, 'x') + "\":" + entry("U8", "[8]", 0, 8) + "}", std::string(8, '\0')),
       {"longer than 1024"}},
  });
}

TEST_F(BrokenFile, Shapes) {
  expect_refused({
      {"below 0", with_entry(entry("U8", "[-8]", 0, 8)), {"\"x\"", "found -8"}},
      {"minus 0", with_entry(entry("U8", "[-0]", 0, 0)), {"\"x\"", "whole number"}},
      {"a fraction", with_entry(entry("U8", "[8.0]", 0, 8)), {"\"x\"", "found 8.0"}},
      {"text", with_entry(entry("U8", R"(["8"])", 0, 8)), {"\"x\"", "found \"8\""}},
      {"true", with_entry(entry("U8", "[8,true]", 0, 8)), {"\"x\"", "found true"}},
      {"2^63", with_entry(entry("U8", "[9223372036854775808]", 0, 8)), {"\"x\"", "overflows"}},
      {"2^64", with_entry(entry("U8", "[18446744073709551616]", 0, 8)), {"\"x\"", "found 1.84"}},
      {"the product is 2^64", with_entry(entry("U8", "[4294967296,4294967296]", 0, 0)), {"\"x\"", "overflows"}},
      {"the bytes are 2^64", with_entry(entry("F32", "[4611686018427387904]", 0, 0)), {"\"x\"", "overflows"}},
      {"the bytes are 2^64 + 8", with_entry(entry("I64", "[2305843009213693953]", 0, 8)), {"\"x\"", "overflows"}},
      {"strides overflow beside a 0",
       with_entry(entry("U8", "[0,4294967296,4294967296]", 0, 0)),
       {"\"x\"", "overflows"}},
      {"more than the offsets", with_entry(entry("F32", "[3]", 0, 8)), {"\"x\"", "expected 12 bytes", "[0,8]"}},
      {"less than the offsets", with_entry(entry("F32", "[1]", 0, 8)), {"\"x\"", "expected 4 bytes", "[0,8]"}},
      {"rank 0 with 8 bytes", with_entry(entry("F32", "[]", 0, 8)), {"\"x\"", "expected 4 bytes", "[0,8]"}},
      {"empty with 8 bytes", with_entry(entry("F32", "[0]", 0, 8)), {"\"x\"", "expected 0 bytes", "[0,8]"}},
      {"nothing with an end before its begin", with_entry(entry("U8", "[0]", 8, 0)), {"\"x\"", "[8,0]"}},
      {"an end before its begin, by 2^64 - 8",
       with_entry(entry("U8", "[8]", UINT64_MAX - 7, 0)),
       {"\"x\"", "[18446744073709551608,0]"}},
  });
}

TEST_F(BrokenFile, Places) {
  const auto two = [](uint64_t a0, uint64_t a1, uint64_t b0, uint64_t b1, size_t data) {
    const auto bytes = [](uint64_t begin, uint64_t end) {
      return entry("U8", shape_text({static_cast<int64_t>(end - begin)}), begin, end);
    };
    return file_bytes(R"({"a":)" + bytes(a0, a1) + R"(,"b":)" + bytes(b0, b1) + "}", std::string(data, '\1'));
  };
  expect_refused({
      {"overlap", two(0, 6, 4, 8, 8), {"\"b\"", "at byte 6", "found 4"}},
      {"the same place", two(0, 8, 0, 8, 8), {"\"b\"", "at byte 8", "found 0"}},
      {"one within another", two(0, 8, 2, 4, 8), {"\"b\"", "at byte 8", "found 2"}},
      {"a hole", two(0, 3, 4, 8, 8), {"\"b\"", "at byte 3", "found 4"}},
      {"a hole before the first", two(1, 4, 4, 8, 8), {"\"a\"", "at byte 0", "found 1"}},
      {"a hole before the second by name", two(4, 8, 1, 4, 8), {"\"b\"", "at byte 0", "found 1"}},
      {"an empty one in the middle of another", two(0, 8, 4, 4, 8), {"\"b\"", "at byte 8", "found 4"}},
      {"trailing bytes", two(0, 4, 4, 8, 9), {"expected 8 bytes of data", "found 9"}},
      {"less data than is declared", two(0, 4, 4, 8, 7), {"\"b\"", "byte 8 of 7"}},
      {"data without a tensor", file_bytes("{}", "x"), {"expected 0 bytes of data", "found 1"}},
      {"an empty one beyond the data", two(0, 8, 9, 9, 8), {"\"b\"", "byte 9 of 8"}},
  });
}

TEST_F(BrokenFile, WhatIsNoFile) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  for (const fs::path& file : {folder_.path(), folder_ / "missing.safetensors", pipe, fs::path("/dev/null")}) {
    EXPECT_TRUE(refused(ErrorCode::model, {file.string()}, [&] { SafetensorsFile opened(file); }));
  }
}

const std::vector<at::ScalarType> kDtypes = {at::kDouble,        at::kFloat,       at::kHalf, at::kBFloat16,
                                             at::kFloat8_e4m3fn, at::kFloat8_e5m2, at::kLong, at::kInt,
                                             at::kShort,         at::kChar,        at::kByte, at::kBool};

class SafetensorsRoundTrip : public testing::Test {
 protected:
  // A small file with every dtype, beside an empty tensor, a single number and odd numbers of bytes.
  SafetensorsRoundTrip() {
    for (const at::ScalarType dtype : kDtypes) {
      tensors_[dtype_name(dtype)] = at::arange(15, at::kFloat).view({3, 5}).to(dtype);
    }
    tensors_["empty"] = at::empty({0, 4});
    tensors_["number"] = at::scalar_tensor(2.5);
    tensors_["turned"] = at::arange(6, at::kInt).view({2, 3}).t();
    tensors_["nan"] = at::full({1}, std::numeric_limits<float>::quiet_NaN());
    write_safetensors(file_, tensors_, {{"made_by", "ä \" \n"}});
  }
  const TemporaryFolder folder_;
  const fs::path file_ = folder_ / "all.safetensors";
  std::map<std::string, at::Tensor> tensors_;
};

// Equal in every byte, NaN and 8-bit floats included.
bool same_bytes(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         (a.nbytes() == 0 ||
          std::memcmp(a.contiguous().const_data_ptr(), b.contiguous().const_data_ptr(), a.nbytes()) == 0);
}

TEST_F(SafetensorsRoundTrip, KeepsEveryTensorAndTheMetadata) {
  const SafetensorsFile file(file_);
  EXPECT_EQ(file.metadata().at("made_by"), "ä \" \n");
  EXPECT_EQ(file.tensors().size(), tensors_.size());
  for (const auto& [name, tensor] : tensors_) EXPECT_TRUE(same_bytes(file.tensor(name), tensor)) << name;
}

TEST_F(SafetensorsRoundTrip, ATensorOutlivesTheFile) {
  for (const FileAccess access : {FileAccess::read, FileAccess::map}) {
    write_safetensors(file_, tensors_, {});
    at::Tensor tensor;
    {
      const SafetensorsFile file(file_, access);
      tensor = file.tensor("F32");
    }
    fs::remove(file_);
    EXPECT_TRUE(same_bytes(tensor, tensors_.at("F32")));
  }
}

TEST_F(SafetensorsRoundTrip, MappedItGivesTheSameTensors) {
  const SafetensorsFile file(file_, FileAccess::map);
  for (const auto& [name, tensor] : tensors_) EXPECT_TRUE(same_bytes(file.tensor(name), tensor)) << name;
}

TEST_F(SafetensorsRoundTrip, PartsOfATensorAreCopied) {
  for (const FileAccess access : {FileAccess::read, FileAccess::map}) {
    const SafetensorsFile file(file_, access);
    std::vector<int64_t> numbers(5);
    file.copy("I64", 10 * sizeof(int64_t), reinterpret_cast<char*>(numbers.data()), 5 * sizeof(int64_t));
    EXPECT_EQ(numbers, (std::vector<int64_t>{10, 11, 12, 13, 14}));
  }
}

// A download that is resumed, or rsync, may shorten a file after it was opened: an error, and no signal.
TEST_F(SafetensorsRoundTrip, AFileThatIsCutAfterItWasOpenedIsRefused) {
  const pid_t child = ::fork();
  if (child == 0) {
    const SafetensorsFile file(file_);
    fs::resize_file(file_, 100);
    const bool named = static_cast<bool>(refused(ErrorCode::model, {file_.string(), "F64"}, [&] {
      const at::Tensor tensor = file.tensor("F64");
      volatile double sum = 0;
      for (int64_t i = 0; i < tensor.numel(); ++i) sum = sum + tensor.const_data_ptr<double>()[i];
    }));
    ::_exit(named ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(SafetensorsRoundTrip, ACutFileIsRefused) {
  const std::string bytes = read_bytes(file_);
  for (size_t part = 0; part < 16; ++part) {
    const fs::path cut = folder_ / "cut.safetensors";
    write_bytes(cut, bytes.substr(0, bytes.size() * part / 16));
    EXPECT_TRUE(refused(ErrorCode::model, {cut.string()}, [&] { SafetensorsFile opened(cut); })) << part;
  }
}

TEST_F(SafetensorsRoundTrip, AChangedByteIsRefusedOrRead) {
  const std::string good = read_bytes(file_);
  uint64_t header = 0;
  std::memcpy(&header, good.data(), sizeof header);
  std::mt19937 random(7);  // the same changes each time
  const fs::path changed = folder_ / "changed.safetensors";
  int refusals = 0;
  int reads = 0;
  for (size_t at = 0; at < 8 + header; ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ (1U << random() % 8));
    write_bytes(changed, bytes);
    try {
      const SafetensorsFile file(changed);
      for (const auto& [name, info] : file.tensors()) {
        EXPECT_EQ(file.tensor(name).nbytes(), info.end - info.begin) << "byte " << at;
      }
      ++reads;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::model) << "byte " << at << ": " << e.what();
      ++refusals;
    }
  }
  EXPECT_GT(refusals, 100);
  EXPECT_GT(reads, 10) << "changed names and metadata are legal";
}

class LegalFile : public testing::Test {
 protected:
  fs::path file(const std::string& bytes) const {
    write_bytes(folder_ / "legal.safetensors", bytes);
    return folder_ / "legal.safetensors";
  }
  const TemporaryFolder folder_;
};

TEST_F(LegalFile, MayHoldNothing) {
  EXPECT_TRUE(SafetensorsFile(file(file_bytes("{}"))).tensors().empty());
  EXPECT_TRUE(SafetensorsFile(file(file_bytes(R"({"__metadata__":{}})"))).tensors().empty());
  EXPECT_TRUE(SafetensorsFile(file(file_bytes("{}" + std::string(70, ' ')))).tensors().empty());
}

TEST_F(LegalFile, MayHoldNumbersAndEmptyTensors) {
  const std::string header = R"({"z":)" + entry("U8", "[]", 0, 1) + R"(,"b":)" + entry("F32", "[0]", 1, 1) +
                             R"(,"c":)" + entry("F32", "[0,7]", 0, 0) + R"(,"a":)" + entry("U8", "[2,1]", 1, 3) + "}";
  const SafetensorsFile opened(file(file_bytes(header, "\x05\x06\x07")));
  EXPECT_EQ(opened.tensor("z").item<uint8_t>(), 5);
  EXPECT_EQ(opened.tensor("a").sizes(), at::IntArrayRef({2, 1}));
  EXPECT_EQ(opened.tensor("a")[1].item<uint8_t>(), 7);
  EXPECT_EQ(opened.tensor("b").sizes(), at::IntArrayRef({0}));
  EXPECT_EQ(opened.tensor("c").sizes(), at::IntArrayRef({0, 7}));
}

TEST_F(LegalFile, MayBeUnaligned) {
  const float values[2] = {1.5F, -2.25F};
  const std::string data(reinterpret_cast<const char*>(values), sizeof values);
  for (size_t padding = 0; padding < 8; ++padding) {
    std::string header = R"({"x":)" + entry("F32", "[2]", 0, 8) + "}";
    header.resize((header.size() + 7) / 8 * 8 + padding, ' ');
    const SafetensorsFile opened(file(file_bytes(header, data)), FileAccess::map);
    EXPECT_TRUE(at::equal(SafetensorsFile(opened.path()).tensor("x"), at::tensor({1.5F, -2.25F}))) << padding;
    EXPECT_TRUE(at::equal(opened.tensor("x"), at::tensor({1.5F, -2.25F}))) << padding;
    const bool mapped = opened.tensor("x").const_data_ptr() == opened.tensor("x").const_data_ptr();
    EXPECT_EQ(mapped, padding % 4 == 0) << "a copy where the address isn't aligned, and only there";
  }
}

TEST(WriteSafetensors, RefusesTypesTheFormatLacks) {
  const TemporaryFolder folder;
  EXPECT_TRUE(refused(ErrorCode::internal, {"ComplexFloat"}, [&] {
    write_safetensors(folder / "x.safetensors", {{"x", at::zeros({1}, at::kComplexFloat)}}, {});
  }));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(WriteSafetensors, SaysWhereItCannotWrite) {
  const TemporaryFolder folder;
  const fs::path file = folder / "no/such/x.safetensors";
  EXPECT_TRUE(refused(ErrorCode::io, {file.string() + ":"}, [&] { write_safetensors(file, {}, {}); }));
}

}  // namespace
}  // namespace glm
