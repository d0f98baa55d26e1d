# Warnings, hardening and sanitizers, attached to targets through assay_build_flags and nothing else.
add_library(assay_build_flags INTERFACE)
target_compile_options(assay_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-align -Wformat=2
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Wold-style-cast>
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op>
  # g++ 12 reports an overlap for "literal" + std::string that is not there (GCC bug 105651).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>
  # In a unity build every source file is an included one, in which g++ distrusts anonymous namespaces.
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>
  -fstack-protector-strong -fno-omit-frame-pointer)
if(ASSAY_WERROR)
  target_compile_options(assay_build_flags INTERFACE -Werror)
endif()
# Machines must agree to the last bit, so no multiply-add contraction anywhere in the project.
target_compile_options(assay_build_flags INTERFACE -ffp-contract=off)
if(ASSAY_SANITIZE)
  target_compile_options(assay_build_flags INTERFACE -fsanitize=${ASSAY_SANITIZE} -fno-sanitize-recover=all -g)
  target_link_options(assay_build_flags INTERFACE -fsanitize=${ASSAY_SANITIZE})
else()
  target_compile_definitions(assay_build_flags INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()
target_compile_definitions(assay_build_flags INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

# assay_library(NAME SOURCES... ): one static library of the host, with the project's flags.
function(assay_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PRIVATE assay_build_flags)
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
endfunction()
