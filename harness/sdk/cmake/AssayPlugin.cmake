# assay_add_plugin(NAME SOURCES a.cpp b.c [LIBRARIES lib...])
# Builds NAME.so as a plugin library: everything hidden but the entry and the markers, no undefined symbols,
# all symbols bound at load time. In-tree plugins and plugins of others are built by this same function.
function(assay_add_plugin name)
  set(ASSAY_PLUGIN_MAP "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/assay_plugin.map")
  cmake_parse_arguments(P "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(${name} MODULE ${P_SOURCES})
  target_link_libraries(${name} PRIVATE assay::sdk ${P_LIBRARIES})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so"
    C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON LINK_DEPENDS "${ASSAY_PLUGIN_MAP}")
  target_link_options(${name} PRIVATE "-Wl,--version-script=${ASSAY_PLUGIN_MAP}" -Wl,-z,now -Wl,-z,relro
    -Wl,--build-id)
  if(NOT ASSAY_SANITIZE)
    target_link_options(${name} PRIVATE -Wl,--no-undefined)
  endif()
  if(TARGET assay_build_flags)
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:assay_build_flags>)
  endif()
  if(DEFINED ASSAY_PLUGIN_OUTPUT_DIRECTORY)
    set_target_properties(${name} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${ASSAY_PLUGIN_OUTPUT_DIRECTORY})
    install(TARGETS ${name} LIBRARY DESTINATION ${ASSAY_PLUGIN_INSTALL_DIR} COMPONENT plugins)
    set_property(GLOBAL APPEND PROPERTY ASSAY_PLUGIN_TARGETS ${name})
  endif()
endfunction()
