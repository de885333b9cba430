#include "engine/checkpoint/known_models.h"

namespace glm {
namespace {

// weights_tools/reference/make_selftest_tokens.py has made these rows, and checks them.
KnownModel nano() {
  return {.name = "nano",
          .dim = 192,
          .inner_dim = 512,
          .layers = 6,
          .heads = 3,
          .kv_heads = 1,
          .vocab = 2112,
          .vision_vocab = 1152,
          .codebook = 1024,
          .vision_dim = 128,
          .vision_layers = 3,
          .dtype = "float32",
          .tokens = {
              {.prompt = "",
               .grid = {16, 16},
               .picture = {},
               .ids = {2053, 1904, 1372, 1904, 2054, 2053, 1904, 1372, 1904, 2054, 1024},
               .tokens = {}},
              {.prompt = "",
               .grid = {32, 32},
               .picture = {},
               .ids = {2053, 1170, 1169, 1372, 1170, 1169, 2054, 2053, 1904, 1372, 1904, 2054, 1024},
               .tokens = {}},
              {.prompt = "",
               .grid = {36, 24},
               .picture = {},
               .ids = {2053, 1170, 1173, 1372, 1169, 1171, 2054, 2053, 1905, 1372, 1903, 2054, 1024},
               .tokens = {}},
              {.prompt = "three owls at night",
               .grid = {8, 8},
               .picture = {},
               .ids = {1613, 1963, 1451, 1524, 2053, 1175, 1372, 1175, 2054, 2053, 1904, 1372, 1904, 2054, 1024},
               .tokens = {49, 49,  49,  49,  488,  49,   901,  901,  901,  901,  901,  901,  49,   49,   49,
                          49, 488, 102, 948, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}},
              {.prompt = "the number \"5\" in red on the grass",
               .grid = {8, 4},
               .picture = {},
               .ids = {1440, 1486, 1706, 1661, 1372, 1153, 1172, 1153, 1427, 1478, 1414, 1418, 1520,
                       2053, 1175, 1372, 1171, 2054, 2053, 1169, 1169, 1372, 1168, 1168, 2054, 1024},
               .tokens = {343, 343, 343, 343, 343, 343, 343, 343, 343, 343, 343, 343, 591, 977, 977,
                          977, 977, 977, 977, 977, 977, 591, 343, 277, 277, 277, 277, 277, 277, 277}},
              {.prompt = "a rocket at night",
               .grid = {8, 8},
               .picture = KnownPicture{.width = 256,
                                       .height = 256,
                                       .tokens = {1006, 1006, 921, 921, 921, 921, 921, 538, 659,  1006, 157, 157,  222,
                                                  921,  921,  538, 659, 226, 157, 308, 473, 1012, 156,  437, 1022, 682,
                                                  214,  579,  340, 51,  156, 885, 644, 262, 262,  905,  340, 920,  689,
                                                  930,  788,  788, 249, 262, 636, 513, 219, 105,  788,  788, 788,  941,
                                                  941,  813,  383, 601, 80,  788, 788, 788, 941,  941,  739, 268}},
               .ids = {1216, 1700, 1451, 1524, 2053, 1175, 1372, 1175, 2054, 1024},
               .tokens = {901, 488, 1000, 102, 901, 102, 901, 901, 337, 337, 940, 337, 337, 940, 337,
                          337, 937, 937,  937, 754, 449, 937, 937, 937, 710, 6,   948, 692, 692, 898}}}};
}

// The tokens are those of transformers' own test of this checkpoint
// (tests/models/glm_image/test_modeling_glm_image.py), which computes them on a GPU, at its processor's size of
// 768x1152. The first 30 of a prompt without a picture belong to the preview, which has 19 rows of 13. The ids of sizes
// were seen in another program, which was checked against the checkpoint's tokenizer; of the prompts' ids none were.
KnownModel public_model() {
  return {.name = "zai-org/GLM-Image",
          .dim = 4096,
          .inner_dim = 13696,
          .layers = 40,
          .heads = 32,
          .kv_heads = 2,
          .vocab = 168064,
          .vision_vocab = 16512,
          .codebook = 16384,
          .vision_dim = 1536,
          .vision_layers = 40,
          .dtype = "bfloat16",
          .tokens = {{.prompt = "",
                      .grid = {16, 16},
                      .ids = {167845, 115829, 16732, 115829, 167846, 167845, 115829, 16732, 115829, 167846, 16384}},
                     {.prompt = "",
                      .grid = {32, 32},
                      .ids = {167845, 117687, 16732, 117687, 167846, 167845, 115829, 16732, 115829, 167846, 16384}},
                     {.prompt = "A cute cat sitting on a wooden table",
                      .grid = {36, 24},
                      .tokens = {671,  14581, 1275,  1275,  4508,  4508,  4508,  4508,  1471, 1471,
                                 1153, 1153,  11241, 3596,  11241, 11942, 9695,  13748, 4508, 4508,
                                 4508, 3136,  3136,  11241, 11241, 11241, 11241, 1755,  3136, 13748}},
                     {.prompt = "Add a red hat to this cat",
                      .grid = {36, 24},
                      .picture = KnownPicture{.name = "pipeline-cat-chonk.jpeg"},
                      .tokens = {9223, 11045, 5705,  14581, 4759,  11667, 1275, 10094, 572,   10543,
                                 9223, 1275,  9223,  10543, 12265, 10543, 2007, 8200,  10543, 1153,
                                 1153, 1153,  10094, 16304, 9223,  11045, 3114, 14581, 4759,  10094}}}};
}

}  // namespace

const std::vector<KnownModel>& known_models() {
  static const std::vector<KnownModel> all = {nano(), public_model()};
  return all;
}

const KnownModel* known_model(const ModelConfig& c) {
  for (const KnownModel& m : known_models()) {
    const bool same = m.dim == c.prior.dim && m.inner_dim == c.prior.inner_dim && m.layers == c.prior.layers &&
                      m.heads == c.prior.heads && m.kv_heads == c.prior.kv_heads && m.vocab == c.prior.vocab &&
                      m.vision_vocab == c.prior.vision_vocab && m.codebook == c.generation.codebook &&
                      m.vision_dim == c.vision.dim && m.vision_layers == c.vision.layers;
    if (same) return &m;
  }
  return nullptr;
}

Image draw_slopes(int64_t width, int64_t height) {
  Image image{.width = width, .height = height, .rgb = {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.rgb.push_back(static_cast<uint8_t>(x * 255 / (width - 1)));
      image.rgb.push_back(static_cast<uint8_t>(y * 255 / (height - 1)));
      image.rgb.push_back(128);
    }
  }
  return image;
}

}  // namespace glm
