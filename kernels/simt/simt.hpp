// The CUDA dialect that the device kernels are written in. One source, kernels/FAMILY/NAME.cu, is compiled by nvcc for
// a GPU and as C++ for the CPU emulator; docs/device_kernels.md says how to write one. Only this folder knows which
// compiler it is.
#pragma once

#include "kernels/simt/language.hpp"
#include "kernels/simt/launch.hpp"
#include "kernels/simt/matrix.hpp"
#include "kernels/simt/memory.hpp"
#include "kernels/simt/number.hpp"
#include "kernels/simt/reductions.hpp"
#include "kernels/simt/threads.hpp"
