#include "kernels/host/lanes_avx2.h"
#include "kernels/host/tables_avx2.h"
// After the lanes that it is compiled for.
#include "kernels/host/bodies.h"
#include "kernels/host/code_bodies.h"
#include "kernels/host/panel_bodies.h"
#include "kernels/host/processor.h"
#include "kernels/host/row_bodies.h"

namespace glm::host {

const Kernels kAvx2 = {"avx2", multiply,       attend,   exponentials, silu, multiply_panels,
                       decode, multiply_codes, modulate, norm_heads,   gelu};

}  // namespace glm::host
