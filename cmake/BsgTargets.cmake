# Flags that every target of the project shares, and the functions that make libraries and tests.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET default)

add_library(bsg_flags INTERFACE)
target_include_directories(bsg_flags INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_options(bsg_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers)
# GCC 12 reports the copy inside std::string itself (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(bsg_flags INTERFACE -Wno-restrict)
endif()
# The numbers that a kernel returns must not depend on what the compiler chose to contract.
target_compile_options(bsg_flags INTERFACE -ffp-contract=off)
if(BSG_WARNINGS_AS_ERRORS)
  target_compile_options(bsg_flags INTERFACE -Werror)
endif()
if(BSG_SANITIZE)
  target_compile_options(bsg_flags INTERFACE -fsanitize=${BSG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(bsg_flags INTERFACE -fsanitize=${BSG_SANITIZE})
  # Instrumented code hides from GCC what was initialised: it then warns inside the standard library.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(bsg_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()

# bsg_library(NAME [SOURCES ...] [PUBLIC ...] [PRIVATE ...]): a static library with the project's flags.
function(bsg_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(NOT arg_SOURCES)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE bsg_flags ${arg_PUBLIC})
    return()
  endif()
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC bsg_flags ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
endfunction()

# bsg_emulated_sources(FILES ...): compiles .cu files of the calling folder as C++, for the emulator of kernels/simt.
function(bsg_emulated_sources)
  # Only nvcc knows #pragma unroll.
  set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS -Wno-unknown-pragmas)
endfunction()

# bsg_cuda_objects(NAME [SOURCES ...]): .cu files compiled by nvcc, once, for whatever links NAME.
function(bsg_cuda_objects name)
  cmake_parse_arguments(arg "" "" "SOURCES" ${ARGN})
  add_library(${name} OBJECT ${arg_SOURCES})
  target_compile_options(${name} PRIVATE --expt-relaxed-constexpr)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES CUDA_STANDARD 20 CUDA_VISIBILITY_PRESET hidden)
  if(BSG_WARNINGS_AS_ERRORS)
    target_compile_options(${name} PRIVATE -Werror=all-warnings)
  endif()
  target_link_libraries(${name} INTERFACE CUDA::cudart_static)
endfunction()

# bsg_program(NAME [SOURCES ...] [LINK ...]): an executable in the build folder's bin/.
function(bsg_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE bsg_flags ${arg_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

# bsg_test(NAME LABEL label [SOURCES ...] [LINK ...]): one Catch2 executable, every case a ctest test with the label
# (unit, emulated, data or gpu) and a time limit.
function(bsg_test name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE bsg_flags bsg_test_main ${arg_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  # Tests often share the machine, with a build or with each other: threads that spin while they wait would starve those they
  # wait for.
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 4
    ENVIRONMENT OMP_WAIT_POLICY=passive)
endfunction()
