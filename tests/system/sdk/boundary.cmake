# The plugin boundary from outside: installs the SDK, builds a C++ metric and a C model against it as strangers would,
# and runs a suite over both with the program of the build tree.
include(${CMAKE_CURRENT_LIST_DIR}/steps.cmake)
set(assay ${BUILD_DIR}/bin/assay)

run(0 ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${SCRATCH}/sdk --component sdk)
foreach(file bin lib/assay)
  if(EXISTS ${SCRATCH}/sdk/${file})
    message(FATAL_ERROR "the component sdk installs ${file}, which is not part of the SDK")
  endif()
endforeach()

# The SDK must be enough: the build tree is not reachable from these projects.
foreach(project exact cmodel kernel)
  run(0 ${CMAKE_COMMAND} -G ${GENERATOR} -S ${HERE}/${project} -B ${SCRATCH}/${project}
    -DCMAKE_PREFIX_PATH=${SCRATCH}/sdk -DCMAKE_BUILD_TYPE=Release)
  run(0 ${CMAKE_COMMAND} --build ${SCRATCH}/${project} -j 1)
endforeach()
set(plugins --plugin ${SCRATCH}/exact/demo_exact.so --plugin ${SCRATCH}/cmodel/demo_echo.so)

run(0 ${assay} plugin list ${plugins})
expect("${out}" "OK +model +demo[.]echo +1[.]0[.]0 +demo_echo[.]so" "assay plugin list")
expect("${out}" "OK +metric +demo[.]exact +1[.]0[.]0 +demo_exact[.]so" "assay plugin list")

# Truth by hand from items.jsonl: of 8 items the last word is right in 2, in 3 when case does not count; the word
# before it is right in 3, or 4. Eighths have an exact decimal text, so texts can be compared.
run(0 ${assay} run ${HERE}/suite.toml ${plugins} --db ${SCRATCH}/run.db --json)
set(last/demo.exact 0.25)
set("last/demo.exact(fold_case=true)" 0.375)
set(second-last/demo.exact 0.375)
set("second-last/demo.exact(fold_case=true)" 0.5)
string(JSON count LENGTH "${out}" results)
if(NOT count EQUAL 4)
  message(FATAL_ERROR "the run has ${count} results, expected 4\n${out}")
endif()
foreach(i RANGE 3)
  string(JSON model GET "${out}" results ${i} model)
  string(JSON metric GET "${out}" results ${i} metric)
  string(JSON estimate GET "${out}" results ${i} estimate)
  string(JSON scored GET "${out}" results ${i} n_scored)
  set(wanted "${${model}/${metric}}")
  if(wanted STREQUAL "" OR NOT estimate STREQUAL wanted OR NOT scored EQUAL 8)
    message(FATAL_ERROR "${metric} of ${model} is ${estimate} over ${scored} items, expected ${wanted} over 8")
  endif()
endforeach()

# The static library of the SDK is enough for the third, and stays inside it.
run(0 ${assay} run ${HERE}/kernel.toml ${plugins} --plugin ${SCRATCH}/kernel/demo_kernel.so --db ${SCRATCH}/run.db --json)
string(JSON estimate GET "${out}" results 0 estimate)
string(JSON scored GET "${out}" results 0 n_scored)
if(NOT estimate EQUAL 300 OR NOT scored EQUAL 8)
  message(FATAL_ERROR "demo.kernel_rank is ${estimate} over ${scored} items, expected 300 over 8")
endif()

# A model that cannot score is refused before the run, with the missing capability in the sentence.
run(2 ${assay} run ${HERE}/unsupported.toml ${plugins} --db ${SCRATCH}/run.db)
expect("${err}" "mia[.]loss.*last.*does not offer score_mean" "a missing capability")

# A misspelt parameter of the C model is caught by its schema.
run(2 ${assay} run ${HERE}/suite.toml ${plugins} --db ${SCRATCH}/run.db --model "echo(skp=1)")
expect("${err}" "skp.*skip" "a misspelt parameter")

execute_process(COMMAND ${CMAKE_COMMAND} -G ${GENERATOR} -S ${HERE}/wrong_version -B ${SCRATCH}/wrong_version
  -DCMAKE_PREFIX_PATH=${SCRATCH}/sdk RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err)
if(code EQUAL 0)
  message(FATAL_ERROR "a project that asks for version 2 of the SDK was configured with version 1")
endif()
expect("${err}" "\"assay_sdk\" that is[ \n]+compatible with requested version \"2\"" "a wrong SDK version")
expect("${err}" "assay_sdk-config[.]cmake, version: 1[.]" "a wrong SDK version")
message(STATUS "the boundary holds")
