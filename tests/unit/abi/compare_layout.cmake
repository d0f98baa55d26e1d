# cmake -DPROGRAM=... -DEXPECTED=... -P compare_layout.cmake: the program prints exactly the committed layout.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE printed RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with ${code}")
endif()
file(READ ${EXPECTED} committed)
if(NOT printed STREQUAL committed)
  file(WRITE ${PROGRAM}.layout "${printed}")
  execute_process(COMMAND diff -u ${EXPECTED} ${PROGRAM}.layout OUTPUT_VARIABLE difference)
  message(FATAL_ERROR "The layout of assay/plugin.h differs from ${EXPECTED}. A released field must not move, change "
    "or disappear; appended fields and new values are added to a new layout file with the new minor version.\n"
    "${difference}")
endif()
