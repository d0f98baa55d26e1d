/* A small metric in C, and the ways in which a plugin library can be broken. One definition on the command
 * line chooses the way; without any the library is good. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assay/plugin.h"

#ifndef ENTRY_MAJOR
#define ENTRY_MAJOR ASSAY_ABI_MAJOR
#endif
#ifndef ENTRY_SIZE
#define ENTRY_SIZE sizeof(assay_entry)
#endif
#ifndef INIT_CODE
#define INIT_CODE ASSAY_OK
#endif
#ifndef PLUGIN_COUNT
#define PLUGIN_COUNT 1u
#endif
#ifndef KIND_TASK
#define KIND_TASK 0
#endif
#define TEXT(literal) \
  { literal, sizeof(literal) - 1 }

#ifdef CRASH_WHEN_LOADED
/* Such libraries must be refused by their markers alone: loading them is the failure the tests look for. */
__attribute__((constructor)) static void crash_when_loaded(void) {
  raise(SIGKILL);
}
#endif

#ifdef PRINTS
__attribute__((constructor)) static void print_when_loaded(void) {
  puts("{\"state\": \"a stray line on standard output\"}");
  fflush(stdout);
}
#endif

#ifdef UNRESOLVED
int assay_test_function_that_nobody_defines(void);
#endif

static const assay_param params[] = {{sizeof(assay_param),
                                      ASSAY_PARAM_FLOAT,
                                      ASSAY_PARAM_AFFECTS_RESULT,
                                      0,
                                      TEXT("threshold"),
#ifdef UNDOCUMENTED
                                      {0, 0},
#else
                                      TEXT("answers at least this long count"),
#endif
                                      TEXT("0.5"),
                                      0.0,
                                      1.0,
                                      {0, 0},
                                      {0, 0},
                                      {0, 0}}};

static assay_value_info values[1];
static assay_descriptor description;

static int32_t init(const assay_host* host) {
  (void)host;
#ifdef INIT_CRASHES
  raise(SIGSEGV);
#endif
#ifdef INIT_EXITS
  _exit(0);
#endif
#ifdef INIT_HANGS
  for (;;) pause();
#endif
#ifdef UNRESOLVED
  if (assay_test_function_that_nobody_defines() != 0) return ASSAY_INTERNAL;
#endif
#ifdef PRINTS
  printf("another stray line\n");
  if (write(STDOUT_FILENO, "raw bytes\n", 10) != 10) return ASSAY_INTERNAL;
#endif
  return INIT_CODE;
}

static void deinit(void) {}
static uint32_t count(void) {
  return PLUGIN_COUNT;
}

static const assay_descriptor* descriptor(uint32_t i) {
  static const assay_str id = TEXT("test.variant"), version = TEXT("1.0.0"), title = TEXT("A small metric"),
                         doc = TEXT("Counts nothing in particular."), licence = TEXT("Apache-2.0"),
                         name = TEXT("score"), definition = TEXT("always one");
  (void)i;
  memset(&description, 0, sizeof description);
  description.struct_size = sizeof description;
  description.kind = ASSAY_METRIC;
  description.concurrency = ASSAY_CONCURRENCY_PARALLEL;
  description.id = id;
  description.version = version;
  description.title = title;
#ifdef CHANGING
  {
    const char* changed = getenv("ASSAY_TEST_TITLE");
    if (changed != NULL) {
      description.title.ptr = changed;
      description.title.len = strlen(changed);
    }
  }
#endif
  description.doc = doc;
  description.licence = licence;
  description.params = params;
  description.param_count = 1;
  description.param_size = sizeof(assay_param);
  memset(values, 0, sizeof values);
  values[0].struct_size = sizeof(assay_value_info);
  values[0].rule = ASSAY_RULE_MEAN;
  values[0].direction = ASSAY_HIGHER_IS_BETTER;
  values[0].flags = ASSAY_VALUE_HEADLINE;
  values[0].name = name;
  values[0].doc = definition;
  values[0].min = 0;
  values[0].max = NAN;
  description.values = values;
  description.value_count = 1;
  description.value_size = sizeof(assay_value_info);
  return &description;
}

#ifndef NULL_CREATE
static int32_t create(assay_str id, const assay_params* given, const assay_env* env, assay_error* error,
                      void** instance) {
  (void)id, (void)given, (void)env, (void)error;
  *instance = NULL;
  return ASSAY_UNSUPPORTED;
}
#endif
static int32_t capabilities(void* instance, uint64_t* caps) {
  (void)instance;
  *caps = 0;
  return ASSAY_OK;
}
static void destroy(void* instance) {
  (void)instance;
}
static const void* get_extension(void* instance, assay_str id) {
  (void)instance, (void)id;
  return NULL;
}

#if defined(ABI_MARKER)
extern ASSAY_VISIBLE const uint32_t ABI_MARKER;
ASSAY_MARKER const uint32_t ABI_MARKER = 1u;
#elif !defined(NO_MARKER)
ASSAY_MARKERS(0, KIND_TASK, 1 - KIND_TASK);
#endif
#ifdef UNSTABLE
extern ASSAY_VISIBLE const uint32_t assay_needs_unstable;
ASSAY_MARKER const uint32_t assay_needs_unstable = 1u;
#endif

#ifdef NO_ENTRY
__attribute__((used)) static const assay_entry entry_under_another_name = {
#else
const assay_entry assay_plugin_entry = {
#endif
    ENTRY_SIZE,   ENTRY_MAJOR, ASSAY_ABI_MINOR, 1u, "test variant", init, deinit, count, descriptor,
#ifdef NULL_CREATE
    NULL,
#else
    create,
#endif
    capabilities, destroy,     get_extension};
