#include "kernels/host/lanes_plain.h"
#include "kernels/host/tables.h"
// After the lanes that it is compiled for.
#include "kernels/host/bodies.h"
#include "kernels/host/code_bodies.h"
#include "kernels/host/panel_bodies.h"
#include "kernels/host/processor.h"
#include "kernels/host/row_bodies.h"

namespace glm::host {

const Kernels kPlain = {"plain", multiply,       attend,   exponentials, silu, multiply_panels,
                        decode,  multiply_codes, modulate, norm_heads,   gelu};

}  // namespace glm::host
