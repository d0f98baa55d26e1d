# Read by the build of the Python package llama-cpp-python (scripts/setup-llama), right after its project() call:
# leaves out the helper library of llama.cpp's own programs, which is a third of the compilation and which nothing here uses.
set(LLAMA_BUILD_COMMON OFF)
