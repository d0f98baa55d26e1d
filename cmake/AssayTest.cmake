# Where sources and programs are (tests/support/places.hpp).
add_library(assay_test_places STATIC ${PROJECT_SOURCE_DIR}/tests/support/places.cpp)
target_link_libraries(assay_test_places PRIVATE assay_build_flags)
target_include_directories(assay_test_places PUBLIC ${PROJECT_SOURCE_DIR})
target_compile_definitions(assay_test_places PRIVATE
  ASSAY_SOURCE_DIR="${PROJECT_SOURCE_DIR}" ASSAY_BINARY_DIR="${PROJECT_BINARY_DIR}")

# assay_test(NAME LABELS a b SOURCES x.cpp LIBS y [DEFS K=V] [SEPARATE])
# One Catch2 program per folder of tests; every case becomes a CTest test with the folder's label.
function(assay_test name)
  cmake_parse_arguments(T "SEPARATE" "TIMEOUT" "LABELS;SOURCES;LIBS;DEFS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  add_executable(${name} ${T_SOURCES})
  target_link_libraries(${name} PRIVATE assay_build_flags ${T_LIBS} assay_test_places Catch2::Catch2WithMain)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(T_DEFS)
    target_compile_definitions(${name} PRIVATE ${T_DEFS})
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  if(T_SEPARATE) # files that use namespaces which disagree about a name
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
  # A skipped test is reported as skipped (Catch2 ends with 4 when every assertion of a run was skipped).
  catch_discover_tests(${name} TEST_PREFIX "${name}: " DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} SKIP_RETURN_CODE 4)
endfunction()
