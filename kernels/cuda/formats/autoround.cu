// clang-format would sort these, but simt_device.cuh comes first: the others use its names.
// clang-format off
#include "kernels/cuda/simt_device.cuh"
#include "kernels/cuda/formats/autoround.cuh"
#include "kernels/cuda/step_launch.cuh"
// clang-format on

template cudaError_t glm::cuda::launch_step<glm::cuda::AutoRoundFormat>(const StepParams& p, int columns,
                                                                        const Launch& l);
