# Helpers of the scripts in this folder. Every step that fails ends the test and shows what the program printed.
foreach(name BUILD_DIR SCRATCH GENERATOR)
  if(NOT DEFINED ${name})
    message(FATAL_ERROR "call with -D${name}=...")
  endif()
endforeach()
set(HERE ${CMAKE_CURRENT_LIST_DIR})
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH}/home)

# Nothing of the caller's environment or home folder may help.
foreach(name ASSAY_PLUGIN_PATH ASSAY_DATA ASSAY_DB ASSAY_REGISTRY XDG_DATA_HOME CMAKE_PREFIX_PATH assay_sdk_DIR)
  unset(ENV{${name}})
endforeach()
set(ENV{HOME} ${SCRATCH}/home)
set(ENV{XDG_CACHE_HOME} ${SCRATCH}/home/cache)

# run(WANTED_EXIT_CODE COMMAND...): leaves the two streams in `out` and `err`.
function(run wanted)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${SCRATCH} RESULT_VARIABLE code OUTPUT_VARIABLE out
    ERROR_VARIABLE err)
  if(NOT code STREQUAL wanted)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "'${command}' ended with ${code}, expected ${wanted}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
  set(err "${err}" PARENT_SCOPE)
endfunction()

# expect(TEXT REGEX WHAT)
function(expect text regex what)
  if(NOT text MATCHES "${regex}")
    message(FATAL_ERROR "${what}: expected '${regex}', found\n${text}")
  endif()
endfunction()
