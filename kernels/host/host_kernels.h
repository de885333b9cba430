// Contract: what a CPU computes for the prior's tokens, for 1 to 16 rows at once, products of panels, for more rows,
//   and what stands between the products of the diffusion transformer.
//   The bits of a result depend neither on the rows beside it, nor on the share of the results that a thread computes,
//   nor on the processor's instructions. Every sum adds in one fixed order (bodies.h, row_bodies.h); that of panels
//   (panel_bodies.h) is another one. Numbers are fp32. Weights and caches are fp32 or bf16, as the checkpoint has them,
//   and are widened exactly.
//   Upstream: torch.nn.functional.linear, scaled_dot_product_attention and gelu; GlmImageTransformerBlock
// Roofline: memory; a pass reads each weight once. Panels: compute. kernels/README.md has numbers.
#pragma once

#include <cstdint>

namespace glm::host {

inline constexpr int64_t kMostRows = 16;  // of a pass
inline constexpr int kLanes = 16;         // parts of a sum that are added side by side
inline constexpr int kOutsInCache = 12;   // rows of a weight that all rows of x use before the next ones are read

// kWhole + n, for a small whole n, has n in its lowest bits.
inline constexpr float kWhole = 12582912.0F;
inline constexpr int32_t kBitsOfWhole = 0x4b400000;

enum class Type { fp32, bf16 };

// A weight in the order of torch.nn.Linear: [out, in].
struct Weight {
  const void* data = nullptr;
  Type type = Type::fp32;
};

// y = x W^T
struct Product {
  Weight weight;
  int64_t in = 0;
  const float* x = nullptr;  // [rows, in], a row every x_stride
  int64_t x_stride = 0;
  int64_t rows = 0;    // any number
  float* y = nullptr;  // [rows, out], a row every y_stride
  int64_t y_stride = 0;
};

// One row's heads that share a key/value head. out = softmax(q K^T * scale) V
struct Attention {
  const float* q = nullptr;    // [heads, head]
  const void* keys = nullptr;  // [length, head]
  const void* values = nullptr;
  Type type = Type::fp32;  // of keys and values
  int64_t heads = 0;
  int64_t head = 0;
  int64_t length = 0;  // at least 1
  float scale = 1.0f;
  float* scores = nullptr;  // room for min(heads, 8) * length numbers
  float* out = nullptr;     // [heads, head]
};

inline constexpr int kPanelRows = 12;

// sums += rows * lanes^T. Both operands lie in panels of `depth` columns. A panel of rows has 12 numbers a column, one
// of each row, and a panel of lanes has 16. Each sum adds column after column, with one rounding each.
struct Panels {
  const float* rows = nullptr;  // [panels, depth, 12], a panel every rows_stride
  int64_t rows_stride = 0;
  int64_t row_count = 0;         // the last panel may have rows that don't count
  const float* lanes = nullptr;  // [lane_panels, depth, 16], a panel every lanes_stride
  int64_t lanes_stride = 0;
  int64_t lane_panels = 0;
  int64_t depth = 0;
  float* sums = nullptr;  // [row_count, lane_panels * 16], a row every sums_stride
  int64_t sums_stride = 0;
};

// A row of the diffusion transformer. sum = x + y * gate, and normed = layer_norm(sum) * (1 + scale) + shift. Each
// operation's result is rounded to the type. All are [dim].
struct ModulatedRow {
  Type type = Type::fp32;
  int64_t dim = 0;
  float eps = 0;
  const void* x = nullptr;
  const void* y = nullptr;  // null: nothing is added, and x is normed
  const void* gate = nullptr;
  void* sum = nullptr;
  const void* scale = nullptr;
  const void* shift = nullptr;
  void* normed = nullptr;  // null: nothing is normed
};

// Heads of a row that are normed, and then rotated by their place in the picture.
struct RowOfHeads {
  Type type = Type::fp32;
  int64_t heads = 0;
  int64_t head = 0;  // even where they are rotated
  float eps = 0;
  const float* cosines = nullptr;  // [head], or null: they aren't rotated
  const float* sines = nullptr;
  void* x = nullptr;  // [heads, head], changed
};

struct Codes;  // codes.h

struct Kernels {
  const char* name;                                                      // "plain", "avx2", "avx512"
  void (*multiply)(const Product& product, int64_t begin, int64_t end);  // the outputs begin .. end-1
  void (*attend)(const Attention& attention);
  // Replaces each x by exp(x - shift), and returns their sum. Results differ from the true ones by 2 units in the last
  // place at most; below exp(-104) they are 0.
  float (*exponentials)(float* x, int64_t count, float shift);
  void (*silu)(float* x, int64_t count);  // replaces each x by x / (1 + exp(-x))
  void (*multiply_panels)(const Panels& panels);
  // Writes the numbers of a row's columns begin .. end-1. begin: even
  void (*decode)(const Codes& codes, int64_t row, int64_t begin, int64_t end, float* to);
  // The outputs begin .. end-1 of a product of up to 16 rows. Its weight isn't used.
  void (*multiply_codes)(const Product& product, const Codes& codes, int64_t begin, int64_t end);
  void (*modulate)(const ModulatedRow& row);
  void (*norm_heads)(const RowOfHeads& row);
  void (*gelu)(void* x, Type type, int64_t count);  // replaces each x by its GELU, upstream's approximation by tanh
};

// Returns the kernels of this name, or null where the processor can't run them.
const Kernels* kernels_named(const char* name);

// Returns the fastest that the processor can run.
const Kernels& best_kernels();

}  // namespace glm::host
