# Finds libllama with its own CMake files: where CMAKE_PREFIX_PATH or the system has it, else in the environment that
# scripts/setup-llama makes (ASSAY_LLAMA_PREFIX, or the cache folder). Sets Libllama_FOUND, llama_VERSION, LLAMA_LIB_DIR;
# target llama. The script reads the version of the Python package from here.
set(ASSAY_LLAMA_PACKAGE_VERSION 0.3.36)

if(DEFINED ENV{ASSAY_LLAMA_PREFIX})
  set(ASSAY_LLAMA_PREFIX "$ENV{ASSAY_LLAMA_PREFIX}")
elseif(DEFINED ENV{XDG_CACHE_HOME})
  set(ASSAY_LLAMA_PREFIX "$ENV{XDG_CACHE_HOME}/assay/llama-${ASSAY_LLAMA_PACKAGE_VERSION}")
else()
  set(ASSAY_LLAMA_PREFIX "$ENV{HOME}/.cache/assay/llama-${ASSAY_LLAMA_PACKAGE_VERSION}")
endif()
set(llama_places)
if(EXISTS "${ASSAY_LLAMA_PREFIX}/assay-complete")
  # The headers and CMake files lie under the environment's site-packages; the exact folder depends on Python.
  file(GLOB llama_places "${ASSAY_LLAMA_PREFIX}/lib*/python3*/site-packages" "${ASSAY_LLAMA_PREFIX}/lib*/python3*/site-packages/llama_cpp")
endif()
find_package(llama CONFIG QUIET HINTS ${llama_places})

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libllama REQUIRED_VARS llama_DIR LLAMA_LIB_DIR VERSION_VAR llama_VERSION)
