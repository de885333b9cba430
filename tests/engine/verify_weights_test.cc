// What weights verify says of folders: each byte is read, and the first bad place is named.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/sha256.h"
#include "engine/checkpoint/file_scan.h"
#include "engine/checkpoint/safetensors.h"
#include "glm/weights.h"
#include "tests/base/refusal.h"
#include "tests/support/checkpoints.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWeights = "transformer/diffusion_pytorch_model.safetensors";

// Files are read in blocks of 2 MiB, which numbers of an odd begin lie across.
TEST(FileScan, FindsEachNumberThatIsNotFiniteWhereverItLies) {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.safetensors";
  const double infinity = std::numeric_limits<double>::infinity();
  for (const at::ScalarType dtype :
       {at::kBFloat16, at::kHalf, at::kFloat, at::kDouble, at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    const auto size = static_cast<int64_t>(c10::elementSize(dtype));
    const int64_t count = (5 << 20) / size;
    for (const int64_t at : {int64_t{0}, count - 1, (2 << 20) / size - 6, (2 << 20) / size - 1, (4 << 20) / size}) {
      at::Tensor numbers = at::ones({count}, dtype);
      numbers[at] = dtype == at::kFloat8_e4m3fn ? std::numeric_limits<double>::quiet_NaN() : -infinity;
      // A byte before them: they begin where nothing is aligned.
      write_safetensors(file, {{"a", at::zeros({3}, at::kByte)}, {"b", numbers}}, {});
      const SafetensorsFile opened(file);
      const ScannedFile found =
          scan_files({{.path = file, .weights = &opened, .sha256 = true, .git_name = false}}, {}, nullptr).at(0);
      EXPECT_EQ(found.sha256, sha256_of(file));
      const ScannedTensor& b = found.tensors.at("b");
      const uint64_t begin = opened.data_begin() + opened.tensors().at("b").begin;
      EXPECT_EQ(b.not_finite, 1U);
      EXPECT_EQ(b.begin, begin + static_cast<uint64_t>(at * size)) << "number " << at;
      EXPECT_EQ(b.end, b.begin + static_cast<uint64_t>(size));
      EXPECT_FALSE(b.zeros);
      EXPECT_TRUE(found.tensors.at("a").zeros);
    }
  }
}

TEST(FileScan, LargestAndSmallestNumbersAreFiniteAndWholeNumbersAlways) {
  const TemporaryFolder folder;
  const fs::path file = folder / "a.safetensors";
  std::map<std::string, at::Tensor> tensors = {
      {"ids", at::full({9}, -1, at::kLong)}, {"codes", at::full({9}, 255, at::kByte)}, {"empty", at::ones({0, 3})}};
  for (const auto& [name, dtype, most] :
       {std::tuple{"bf16", at::kBFloat16, 3.3895313892515355e38}, std::tuple{"fp16", at::kHalf, 65504.0},
        std::tuple{"fp32", at::kFloat, 3.4028234663852886e38}, std::tuple{"e4m3", at::kFloat8_e4m3fn, 448.0},
        std::tuple{"e5m2", at::kFloat8_e5m2, 57344.0}}) {
    tensors[name] = at::tensor({most, -most}, at::kDouble).to(dtype);
  }
  write_safetensors(file, tensors, {});
  const SafetensorsFile opened(file);
  const FileToScan wish{.path = file, .weights = &opened};
  const std::vector<ScannedFile> found = scan_files({wish}, {}, nullptr);
  for (const auto& [name, seen] : found.at(0).tensors) {
    EXPECT_EQ(seen.not_finite, 0U) << name;
    EXPECT_FALSE(seen.zeros) << name;
  }
}

// The small checkpoint in a folder of its own, to be damaged.
class Verified : public testing::Test {
 protected:
  Verified() {
    fs::copy(checkpoint_folder("a"), model(), fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(model())) {
      fs::permissions(entry, fs::perms::owner_write, fs::perm_options::add);
    }
  }
  fs::path model() const { return folder_ / "model"; }
  VerifyReport verify(const VerifyOptions& options = {}) const { return verify_weights(model(), options, {}); }
  void write_sums() const { write_manifest(verify({.manifest = {}, .hash_all = true}), default_manifest(model())); }
  static const VerifiedFile& of(const VerifyReport& report, const fs::path& name) {
    const auto found = std::find_if(report.files.begin(), report.files.end(),
                                    [&](const VerifiedFile& file) { return file.file == name; });
    if (found == report.files.end()) throw std::runtime_error("no " + name.string());
    return *found;
  }
  void change_byte(int64_t at, char to) const {
    std::fstream file(model() / kWeights, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    file.put(to);
  }
  testing::AssertionResult tells(const fs::path& name, const std::vector<std::string>& said) const {
    const VerifyReport report = verify();
    const std::string problem = of(report, name).problem;
    if (report.count_problems() != 1) return testing::AssertionFailure() << report.count_problems() << " problems";
    for (const std::string& text : said) {
      if (problem.find(text) == std::string::npos) return testing::AssertionFailure() << text << " in: " << problem;
    }
    return testing::AssertionSuccess();
  }
  const TemporaryFolder folder_;
};

TEST_F(Verified, AGoodOneIsReadWholeAndComparedWithItsSums) {
  EXPECT_EQ(verify().count_problems(), 0);
  EXPECT_EQ(of(verify(), kWeights).compared, "");
  write_sums();
  int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(model())) {
    if (entry.is_regular_file() && entry.path().filename() != "SHA256SUMS")
      bytes += static_cast<int64_t>(entry.file_size());
  }
  int64_t told = 0;
  const VerifyReport report = verify_weights(model(), {}, {.progress = [&](int64_t, int64_t total) { told = total; }});
  EXPECT_EQ(report.count_problems(), 0);
  EXPECT_EQ(report.bytes, bytes);
  EXPECT_TRUE(told == bytes || told == 0) << told;
  EXPECT_EQ(report.manifest, default_manifest(model()));
  for (const VerifiedFile& file : report.files) {
    EXPECT_EQ(file.compared, "the manifest") << file.file;
    EXPECT_EQ(file.sha256, sha256_of(model() / file.file));
  }
  const std::string check = "cd '" + model().string() + "' && sha256sum --check --status --strict SHA256SUMS";
  EXPECT_EQ(std::system(check.c_str()), 0);
}

TEST_F(Verified, NamesOfAnyBytesAreWrittenAsSha256sumDoes) {
  write_bytes(model() / "a\\b\nc d", "x");
  write_sums();
  const std::string check = "cd '" + model().string() + "' && sha256sum --check --status --strict SHA256SUMS";
  EXPECT_EQ(std::system(check.c_str()), 0);
  EXPECT_EQ(verify().count_problems(), 0);
  write_bytes(model() / "a\\b\nc d", "y");
  EXPECT_TRUE(tells("a\\b\nc d", {"expected SHA-256", "as the manifest says"}));
}

TEST_F(Verified, TheFirstBadTensorAndItsBytesAreNamed) {
  const SafetensorsFile opened(model() / kWeights);
  const TensorInfo& info = opened.tensors().at("norm_out.linear.weight");
  const auto begin = static_cast<int64_t>(opened.data_begin() + info.begin);
  for (const int64_t number : {3, 5}) {
    change_byte(begin + 4 * number + 2, '\x80');
    change_byte(begin + 4 * number + 3, '\x7f');
  }
  EXPECT_TRUE(tells(kWeights, {"2 numbers are infinite or NaN"}));
  const VerifyReport report = verify();
  const VerifiedFile& file = of(report, kWeights);
  EXPECT_EQ(file.tensor, "norm_out.linear.weight");
  EXPECT_EQ(file.begin, begin + 12);
  EXPECT_EQ(file.end, begin + 24);
}

TEST_F(Verified, AChangedByteIsFoundByTheManifest) {
  write_sums();
  const std::string whole = read_bytes(model() / kWeights);
  change_byte(static_cast<int64_t>(whole.size()) - 3, static_cast<char>(whole[whole.size() - 3] ^ 1));
  EXPECT_TRUE(tells(kWeights, {"expected SHA-256", "download it again"}));
  write_bytes(model() / kWeights, whole);
  EXPECT_EQ(verify().count_problems(), 0);
  const std::string config = read_bytes(model() / "tokenizer/tokenizer_config.json");
  write_bytes(model() / "tokenizer/tokenizer_config.json", config + " ");
  EXPECT_TRUE(tells("tokenizer/tokenizer_config.json", {"expected SHA-256"}));
  write_bytes(model() / "tokenizer/tokenizer_config.json", config);
  for (const std::string file : {"tokenizer/tokenizer_config.json", "vae/config.json"}) {
    const std::string bytes = read_bytes(model() / file);
    fs::remove(model() / file);
    EXPECT_TRUE(tells(file, {"the manifest names it, and it is missing"})) << "told once";
    write_bytes(model() / file, bytes);
  }
}

// The end of a file as an interrupted download leaves it.
TEST_F(Verified, AZeroedTensorIsTheBadPlaceWhereTheSumIsWrongToo) {
  const auto size = fs::file_size(model() / kWeights);
  write_sums();
  fs::resize_file(model() / kWeights, size / 2);
  fs::resize_file(model() / kWeights, size);
  const VerifyReport report = verify();
  const VerifiedFile& file = of(report, kWeights);
  EXPECT_FALSE(file.tensor.empty());
  EXPECT_GE(file.begin, static_cast<int64_t>(size / 2));
  EXPECT_EQ(report.warnings.size(), 1U);
  fs::remove(default_manifest(model()));
  EXPECT_EQ(verify().count_problems(), 0) << "some models have such tensors: a warning tells";
  EXPECT_EQ(verify().warnings.size(), 1U);
}

TEST_F(Verified, FilesOfACacheAreComparedWithTheirNames) {
  fs::create_directory(folder_ / "blobs");
  fs::create_directory(folder_ / "snapshots");
  for (const std::string name : {kWeights, "model_index.json"}) {
    const std::string bytes = read_bytes(model() / name);
    GitBlobName git(bytes.size());
    git.add({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    const std::string blob = name == kWeights ? sha256_of(model() / name) : git.hex();
    fs::rename(model() / name, folder_ / ("blobs/" + blob));
    fs::create_symlink((name == kWeights ? "../../../blobs/" : "../../blobs/") + blob, model() / name);
  }
  fs::rename(model(), folder_ / "snapshots/0123");
  const auto again = [&] { return verify_weights(folder_ / "snapshots/0123", {}, {}); };
  EXPECT_EQ(again().count_problems(), 0);
  EXPECT_EQ(of(again(), kWeights).compared, "the cache");
  EXPECT_EQ(of(again(), "model_index.json").compared, "the cache");
  EXPECT_EQ(of(again(), "vae/config.json").compared, "") << "no link";
  const fs::path index = folder_ / "snapshots/0123/model_index.json";
  write_bytes(index, read_bytes(index) + "\n");
  EXPECT_NE(of(again(), "model_index.json").problem.find("expected git's SHA-1"), std::string::npos);
  const fs::path weights = folder_ / "snapshots/0123" / kWeights;
  std::string bytes = read_bytes(weights);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_bytes(weights, bytes);
  EXPECT_NE(of(again(), kWeights).problem.find("as the cache says"), std::string::npos);
}

TEST_F(Verified, EachBrokenFileIsToldWithWhatToDo) {
  const std::string whole = read_bytes(model() / kWeights);
  const auto with = [&](const std::string& bytes) { write_bytes(model() / kWeights, bytes); };
  with("");
  EXPECT_TRUE(tells(kWeights, {"an empty file", "get it again"}));
  with(whole.substr(0, whole.size() - 1));
  EXPECT_TRUE(tells(kWeights, {"the file is damaged, download it again"}));
  with(whole + "x");
  EXPECT_TRUE(tells(kWeights, {"expected ", "bytes of data", "download it again"}));
  with(std::string(1000, '\0'));
  EXPECT_TRUE(tells(kWeights, {"zeros at its beginning"}));
  std::string other = whole;
  other.replace(other.find("\"F32\""), 5, "\"F33\"");
  with(other);
  EXPECT_TRUE(tells(kWeights, {"unknown dtype \"F33\""}));
  fs::remove(model() / kWeights);
  EXPECT_TRUE(tells("transformer", {"expected model.safetensors", "is the checkpoint complete?"}));
  fs::create_directory(model() / kWeights);
  EXPECT_TRUE(tells(kWeights, {"expected a file, found a folder"}));
  fs::remove(model() / kWeights);
  ASSERT_EQ(::mkfifo((model() / kWeights).c_str(), 0600), 0);
  EXPECT_TRUE(tells(kWeights, {"expected a file, found something else"}));
  fs::remove(model() / kWeights);
  fs::create_symlink("nowhere", model() / kWeights);
  EXPECT_TRUE(tells(kWeights, {"a link that leads nowhere"}));
  fs::remove(model() / kWeights);
  with(whole);
  write_bytes(model() / "vae/config.json", "{");
  EXPECT_TRUE(tells("vae/config.json", {"not valid JSON", "download the file again"}));
}

TEST_F(Verified, TokenizersBelongToACheckpoint) {
  for (const char* file :
       {"processor/tokenizer.json", "processor/tokenizer_config.json", "tokenizer/tokenizer_config.json"}) {
    const std::string whole = read_bytes(model() / file);
    write_bytes(model() / file, "{");
    EXPECT_TRUE(tells(file, {"not valid JSON"}));
    write_bytes(model() / file, "null");
    EXPECT_TRUE(tells(file, {"expected an object, found "}));
    fs::remove(model() / file);
    EXPECT_TRUE(tells(file, {"no such file"}));
    write_bytes(model() / file, whole);
  }
}

TEST_F(Verified, TensorsThatAreNotWhatTheConfigurationSaysAreTold) {
  std::map<std::string, at::Tensor> good;
  {
    const SafetensorsFile opened(model() / kWeights);
    for (const auto& entry : opened.tensors()) good[entry.first] = opened.read(entry.first);
  }
  const auto with = [&](auto change) {
    std::map<std::string, at::Tensor> tensors = good;
    change(tensors);
    write_safetensors(model() / kWeights, tensors, {});
  };
  with([](auto& all) { all.erase("proj_out.bias"); });
  EXPECT_TRUE(tells("transformer", {"1 tensor is missing: \"proj_out.bias\"", "Download it again"}));
  with([](auto& all) { all["proj_out.bias"] = at::ones({3}); });
  EXPECT_TRUE(tells(kWeights, {"expected shape [", "found [3]", "does config.json belong"}));
  const VerifyReport misshapen = verify({.manifest = {}, .hash_all = true});
  EXPECT_EQ(of(misshapen, kWeights).tensor, "proj_out.bias");
  EXPECT_EQ(of(misshapen, kWeights).end - of(misshapen, kWeights).begin, 12);
  EXPECT_TRUE(refused(ErrorCode::model, {"a damaged one"}, [&] { write_manifest(misshapen, folder_ / "sums"); }));
  with([](auto& all) { all["stray"] = at::ones({2}); });
  EXPECT_TRUE(tells(kWeights, {"this model doesn't use"}));
  with([](auto& all) { all["proj_out.bias"] = all["proj_out.bias"].to(at::kShort); });
  EXPECT_TRUE(tells(kWeights, {"F32, BF16 or F16", "I16", "bf16"}));
}

TEST_F(Verified, AMissingFileHasItsOwnName) {
  fs::remove(model() / "scheduler/scheduler_config.json");
  EXPECT_TRUE(tells("scheduler/scheduler_config.json", {"no such file", "is the checkpoint complete?"}));
  fs::copy(checkpoint_folder("a") / "scheduler/scheduler_config.json", model() / "scheduler/scheduler_config.json");
  fs::remove(model() / "model_index.json");
  EXPECT_TRUE(tells("model_index.json", {"expected a checkpoint folder", "found none"}));
}

// As another user: the superuser may read everything.
TEST_F(Verified, AFileWithoutReadRightsIsTold) {
  fs::permissions(folder_.path(), fs::perms::all);
  fs::permissions(model() / kWeights, fs::perms::none);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
    ::_exit(tells(kWeights, {"can't be opened (Permission denied)"}) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: not told, 2: no other user to be";
}

TEST_F(Verified, AManifestThatIsNoneIsRefused) {
  const fs::path sums = folder_ / "sums";
  const auto manifest_refused = [&](const std::string& text, const std::vector<std::string>& said) {
    write_bytes(sums, text);
    return refused(ErrorCode::model, said, [&] { verify({.manifest = sums, .hash_all = false}); });
  };
  const std::string hash(64, '0');
  EXPECT_TRUE(manifest_refused("", {sums.string(), "found none"}));
  EXPECT_TRUE(manifest_refused("\n# a comment\nnonsense\n", {"sums: line 3", "\"nonsense\""}));
  EXPECT_TRUE(manifest_refused(hash + "  \n", {"line 1"}));
  EXPECT_TRUE(manifest_refused(hash + " x\n", {"line 1"}));
  EXPECT_TRUE(manifest_refused(hash.substr(1) + "  vae/config.json\n", {"line 1"}));
  for (const char* outside : {"../a", "/etc/passwd", "vae/../../a"}) {
    EXPECT_TRUE(manifest_refused(hash + "  " + outside + "\n", {"a file in the folder", outside}));
  }
  fs::remove(sums);
  EXPECT_TRUE(refused(ErrorCode::model, {"sums"}, [&] { verify({.manifest = sums, .hash_all = false}); }));
  write_bytes(sums, std::string(64, 'A') + " *./vae//config.json\r\n");
  EXPECT_NE(of(verify({.manifest = sums, .hash_all = false}), "vae/config.json").problem, "") << "as Windows writes it";
}

TEST_F(Verified, AManifestIsWrittenOnceAndOnlyOfAWholeCheckpoint) {
  const VerifyReport good = verify({.manifest = {}, .hash_all = true});
  write_manifest(good, folder_ / "sums");
  const std::string before = read_bytes(folder_ / "sums");
  EXPECT_TRUE(refused(ErrorCode::io, {"sums", "exists already"}, [&] { write_manifest(good, folder_ / "sums"); }));
  EXPECT_EQ(read_bytes(folder_ / "sums"), before);
  EXPECT_TRUE(refused(ErrorCode::io, {"/dev/full"}, [&] { write_manifest(good, "/dev/full"); }));
  EXPECT_TRUE(refused(ErrorCode::usage, {"hash_all"}, [&] { write_manifest(verify(), folder_ / "other"); }));
  write_bytes(model() / kWeights, "");
  const VerifyReport bad = verify({.manifest = {}, .hash_all = true});
  EXPECT_TRUE(refused(ErrorCode::model, {"a damaged one"}, [&] { write_manifest(bad, folder_ / "other"); }));
  EXPECT_FALSE(fs::exists(folder_ / "other"));
}

TEST_F(Verified, WhatHasNoWeightsIsRefusedAndATokenEndsTheCall) {
  for (const fs::path& path : {folder_ / "nowhere", model() / kWeights, model() / "processor"}) {
    EXPECT_TRUE(refused(ErrorCode::model, {path.string()}, [&] { verify_weights(path, {}, {}); }));
  }
  CancelToken token;
  token.cancel();
  EXPECT_TRUE(
      refused(ErrorCode::cancelled, {}, [&] { verify_weights(model(), {}, {.progress = {}, .cancel = &token}); }));
}

}  // namespace
}  // namespace glm
