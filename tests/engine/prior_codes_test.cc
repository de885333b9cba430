// Which formats of our kernels a checkpoint's codes have.
#include "engine/run/prior_codes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

#include "engine/checkpoint/safetensors.h"
#include "tests/support/checkpoints.h"
#include "tests/support/temporary_folder.h"

namespace glm {
namespace {

namespace fs = std::filesystem;
using cuda::Format;

const fs::path kFolder = fs::path(GLM_SOURCE_DIR) / "tests/data/quantised";

PriorCodes codes_in(const fs::path& checkpoint, const fs::path& language) {
  return codes_of_prior(language, ModelConfig(checkpoint).prior);
}

TEST(PriorCodes, AreWhatTheCheckpointHas) {
  const auto of = [](const fs::path& checkpoint) {
    return codes_in(checkpoint, checkpoint / "vision_language_encoder");
  };
  EXPECT_EQ(of(kFolder / "q_autoround").formats, std::vector{Format::autoround});
  const std::vector<Format> sdnq = of(kFolder / "q_sdnq").formats;
  EXPECT_EQ(std::set<Format>(sdnq.begin(), sdnq.end()), (std::set{Format::sdnq4, Format::sdnq5}));
  EXPECT_EQ(of(kFolder / "q_sdnq").unread, "");
  EXPECT_TRUE(of(checkpoint_folder("a")).formats.empty());
}

TEST(PriorCodes, WithScalesThatRoundToFp16AreNotRead) {
  const TemporaryFolder to;
  const fs::path from = kFolder / "q_sdnq" / "vision_language_encoder";
  fs::copy(from, to.path(), fs::copy_options::recursive);
  const SafetensorsFile file(from / "model.safetensors");
  std::map<std::string, at::Tensor> tensors;
  for (const auto& [name, info] : file.tensors()) {
    const bool part = name.ends_with(".scale") || name.ends_with(".zero_point");
    tensors[name] = part ? file.tensor(name).to(at::kHalf) : file.tensor(name);
  }
  write_safetensors(to.path() / "model.safetensors", tensors, file.metadata());
  const PriorCodes codes = codes_in(kFolder / "q_sdnq", to.path());
  EXPECT_TRUE(codes.formats.empty());
  for (const char* part : {"SDNQ", "scales in F16", "columns", "model.language_model.layers.0"}) {
    EXPECT_NE(codes.unread.find(part), std::string::npos) << codes.unread;
  }
}

}  // namespace
}  // namespace glm
