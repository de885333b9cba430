# LibTorch from the PyPI wheel, as hand-made targets: find_package(Torch) drags in Caffe2's CUDA logic, which stops on a
# machine without a toolkit and sets global flags on one with it.
set(GLM_TORCH_VERSION 2.11.0)
set(GLM_TORCH_ROOT "${PROJECT_SOURCE_DIR}/.deps/torch" CACHE PATH "the wheel's torch folder (…/site-packages/torch)")
if(NOT EXISTS "${GLM_TORCH_ROOT}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch not found in ${GLM_TORCH_ROOT}: run third_party/install.sh, or pass -DGLM_TORCH_ROOT=…/site-packages/torch")
endif()
file(STRINGS "${GLM_TORCH_ROOT}/version.py" _version REGEX "^__version__ = ")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" _version "${_version}")
if(NOT _version VERSION_EQUAL GLM_TORCH_VERSION)
  message(FATAL_ERROR "LibTorch ${_version} found in ${GLM_TORCH_ROOT}, ${GLM_TORCH_VERSION} expected: pictures of a seed depend on it")
endif()

foreach(_name c10 torch_cpu)
  add_library(glm_imported_${_name} SHARED IMPORTED GLOBAL)
  set_target_properties(glm_imported_${_name} PROPERTIES
    IMPORTED_LOCATION "${GLM_TORCH_ROOT}/lib/lib${_name}.so" IMPORTED_SONAME "lib${_name}.so")
endforeach()

# The OpenMP library that comes with it: engine/device/compute_threads.cc asks it how many threads it gives.
file(GLOB _gomp "${GLM_TORCH_ROOT}/lib/libgomp*.so*")
add_library(glm_imported_gomp SHARED IMPORTED GLOBAL)
set_target_properties(glm_imported_gomp PROPERTIES IMPORTED_LOCATION "${_gomp}")

add_library(glm_torch INTERFACE)
add_library(glm::torch ALIAS glm_torch)
target_include_directories(glm_torch SYSTEM INTERFACE "${GLM_TORCH_ROOT}/include")
# libtorch_cpu.so needs libcupti and libcudart, which it finds by its own RPATH: keep ld from looking for them.
target_link_options(glm_torch INTERFACE "LINKER:--allow-shlib-undefined")
target_link_libraries(glm_torch INTERFACE glm_imported_torch_cpu glm_imported_c10 glm_imported_gomp)

# Where the programs look at run time: beside themselves, then this LibTorch.
list(PREPEND CMAKE_BUILD_RPATH "$ORIGIN" "${GLM_TORCH_ROOT}/lib")
list(APPEND CMAKE_INSTALL_RPATH "$ORIGIN/../lib" "${GLM_TORCH_ROOT}/lib")
