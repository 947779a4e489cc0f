# A folder with everything that a machine with a GPU needs to run tools/gpu_check, and nothing else: the machine may have
# neither compilers nor packages, and the folder may lie anywhere.
#   cmake --build --preset cuda --target movable        makes build/cuda/movable
# Libraries lie beside the programs, but for those of glibc, of the driver and of the vendor (cuDNN, cuBLAS): libbsg_vendor.so
# comes along, and is used where the machine has them.
set(programs bsg_train bsg_eval bsg_op bsg_data bsg_bench)
set(tests gpu_test devices_gpu_test vendor_gpu_test)
foreach(target ${programs} ${tests} bsg_cuda)
  if(NOT TARGET ${target})
    return()
  endif()
endforeach()

# RPATH, not RUNPATH: it also serves what the libraries themselves need.
set_target_properties(${programs} ${tests} PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
set_target_properties(bsg_cuda PROPERTIES INSTALL_RPATH "$ORIGIN")
foreach(target ${programs} ${tests} bsg_cuda)
  target_link_options(${target} PRIVATE -Wl,--disable-new-dtags)
endforeach()

install(TARGETS ${programs} bsg_cuda RUNTIME_DEPENDENCY_SET movable
  RUNTIME DESTINATION bin COMPONENT movable LIBRARY DESTINATION lib COMPONENT movable)
install(TARGETS ${tests} RUNTIME_DEPENDENCY_SET movable RUNTIME DESTINATION tests COMPONENT movable)
if(TARGET bsg_vendor)
  set(vendor bsg_vendor)
  install(TARGETS bsg_vendor LIBRARY DESTINATION lib COMPONENT movable)
endif()
install(RUNTIME_DEPENDENCY_SET movable
  PRE_EXCLUDE_REGEXES "^lib(c|m|dl|rt|pthread|cuda)\\.so" "^ld-linux"
  LIBRARY DESTINATION lib COMPONENT movable)

foreach(file gpu_check common/shell_support.bash common/gpu_report.py)
  get_filename_component(folder "tools/${file}" DIRECTORY)
  install(PROGRAMS "tools/${file}" DESTINATION "${folder}" COMPONENT movable)
endforeach()
install(DIRECTORY tools/recipes DESTINATION tools COMPONENT movable)
install(FILES benchmarks/peers/pytorch_gpu.py benchmarks/peers/pytorch_networks.py
  DESTINATION benchmarks/peers COMPONENT movable)
install(PROGRAMS tests/peers/compare_ops_with_pytorch.py DESTINATION tests/peers COMPONENT movable)
# What the report names: what was checked out when the folder was made.
install(CODE "
  execute_process(COMMAND git describe --always --dirty --abbrev=12 WORKING_DIRECTORY \"${PROJECT_SOURCE_DIR}\"
    OUTPUT_VARIABLE commit)
  file(WRITE \"\${CMAKE_INSTALL_PREFIX}/commit.txt\" \"\${commit}\")" COMPONENT movable)

add_custom_target(movable
  COMMAND "${CMAKE_COMMAND}" --install "${CMAKE_BINARY_DIR}" --component movable --strip --prefix "${CMAKE_BINARY_DIR}/movable"
  DEPENDS ${programs} ${tests} bsg_cuda ${vendor})
