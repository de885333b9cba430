// Tensors to inject come from the user: every refusal is one of usage and names file, tensor, expected and found.
#include "engine/run/injection.h"

#include <ATen/ATen.h>

#include "tests/base/refusal.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;

class InjectionFile : public testing::Test {
 protected:
  InjectionFile() {
    write_safetensors(file_,
                      {{"ids", at::tensor({3, 0, 9}, at::kLong).view({1, 3})},
                       {"below", at::tensor({3, -1}, at::kLong).view({1, 2})},
                       {"short_ids", at::tensor({1, 2}, at::kInt).view({1, 2})},
                       {"no_ids", at::empty({1, 0}, at::kLong)},
                       {"numbers", at::arange(6, at::kFloat).view({1, 2, 3})},
                       {"half", at::tensor({0.5F, -2.0F}).to(at::kHalf)},
                       {"wild", at::tensor({0.5F, NAN})},
                       {"flags", at::tensor({1, 0}, at::kByte)}},
                      {});
  }
  testing::AssertionResult ids_refused(const std::string& name, at::IntArrayRef shape, int64_t limit,
                                       std::vector<std::string> said) const {
    said.insert(said.end(), {file_.string(), "\"" + name + "\""});
    return refused(ErrorCode::usage, said, [&] { Injection(file_).ids(name, shape, limit); });
  }
  testing::AssertionResult values_refused(const std::string& name, at::IntArrayRef shape,
                                          std::vector<std::string> said) const {
    said.insert(said.end(), {file_.string(), "\"" + name + "\""});
    return refused(ErrorCode::usage, said, [&] { Injection(file_).values(name, shape, at::kFloat); });
  }
  const TemporaryFolder folder_;
  const fs::path file_ = folder_ / "inject.safetensors";
};

TEST_F(InjectionFile, GivesWhatIsThere) {
  const Injection injection(file_);
  EXPECT_TRUE(at::equal(*injection.ids("ids", {1, -1}, 10), at::tensor({3, 0, 9}, at::kLong).view({1, 3})));
  EXPECT_TRUE(at::equal(*injection.values("half", {2}, at::kFloat), at::tensor({0.5F, -2.0F})));
  EXPECT_EQ(injection.values("numbers", {1, -1, 3}, at::kBFloat16)->scalar_type(), at::kBFloat16);
  EXPECT_TRUE(injection.has("ids"));
}

TEST_F(InjectionFile, GivesNothingForWhatIsNot) {
  const Injection injection(file_);
  EXPECT_FALSE(injection.has("other"));
  EXPECT_FALSE(injection.ids("other", {1}, 10).has_value());
  EXPECT_FALSE(injection.values("other", {1}, at::kFloat).has_value());
  EXPECT_FALSE(Injection().has("ids"));
  EXPECT_FALSE(Injection().ids("ids", {1, 3}, 10).has_value());
  EXPECT_EQ(Injection().last_step(), -1);
}

TEST_F(InjectionFile, RefusesAnotherShape) {
  EXPECT_TRUE(ids_refused("ids", {1, 4}, 10, {"expected shape [1, 4]", "found [1, 3]"}));
  EXPECT_TRUE(ids_refused("ids", {3}, 10, {"expected shape [3]", "found [1, 3]"}));
  EXPECT_TRUE(ids_refused("ids", {1, -1, 1}, 10, {"expected shape [1, -1, 1]", "found [1, 3]"}));
  EXPECT_TRUE(ids_refused("no_ids", {1, -1}, 10, {"expected shape [1, -1]", "found [1, 0]"}));
  EXPECT_TRUE(values_refused("numbers", {1, 3, 2}, {"expected shape [1, 3, 2]", "found [1, 2, 3]"}));
  EXPECT_TRUE(values_refused("numbers", {}, {"expected shape []", "found [1, 2, 3]"}));
}

TEST_F(InjectionFile, RefusesAnotherType) {
  EXPECT_TRUE(ids_refused("short_ids", {1, 2}, 10, {"expected I64", "found I32"}));
  EXPECT_TRUE(ids_refused("numbers", {1, 2, 3}, 10, {"expected I64", "found F32"}));
  EXPECT_TRUE(values_refused("ids", {1, 3}, {"expected floating-point numbers", "found I64"}));
  EXPECT_TRUE(values_refused("flags", {2}, {"expected floating-point numbers", "found U8"}));
}

TEST_F(InjectionFile, RefusesNumbersThatAreNone) {
  EXPECT_TRUE(values_refused("wild", {2}, {"expected finite numbers", "found NaN or infinity"}));
}

TEST_F(InjectionFile, RefusesIdsOutOfRange) {
  EXPECT_TRUE(ids_refused("ids", {1, 3}, 9, {"expected ids from 0 to 8", "found 0 to 9"}));
  EXPECT_TRUE(ids_refused("below", {1, 2}, 9, {"expected ids from 0 to 8", "found -1 to 3"}));
}

TEST_F(InjectionFile, RefusesWhatIsNoSafetensorsFile) {
  const fs::path text = folder_ / "text.safetensors";
  write_bytes(text, "12345678 this is no tensor");
  for (const fs::path& file : {folder_ / "missing.safetensors", folder_.path(), text, fs::path("/dev/null")}) {
    EXPECT_TRUE(refused(ErrorCode::usage, {"can't inject", file.string()}, [&] { Injection injection(file); }));
  }
}

TEST_F(InjectionFile, FindsTheLastStep) {
  const at::Tensor x = at::zeros({1});
  const auto last = [&](const std::vector<std::string>& names) {
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& name : names) tensors[name] = x;
    write_safetensors(file_, tensors, {});
    return Injection(file_).last_step();
  };
  EXPECT_EQ(last({"step0.latents"}), 0);
  EXPECT_EQ(last({"step2.latents", "step10.latents", "step9.latents"}), 10);
  EXPECT_EQ(last({"step5.noise_pred", "latents.init", "step.latents", "stepx.latents", "step1x.latents"}), -1);
  EXPECT_EQ(last({"step-3.latents", "step99999999999999999999.latents", "step 4.latents"}), -1);
  EXPECT_EQ(last({}), -1);
}

}  // namespace
}  // namespace glm
