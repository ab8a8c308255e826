# For CMAKE_PROJECT_llama_cpp_INCLUDE when llama-cpp-python is built: leaves out llama.cpp's library for its own
# command-line programs, which the bindings do not load and which is half of the work. llama-cpp-python sets the
# cache's entry of this name; a variable goes before it (CMake's policy CMP0126).
set(LLAMA_BUILD_COMMON OFF)
