/* A model in C: it answers with a word of the prompt, counted from the end. It cannot score text. */
#include <assay/plugin.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(literal) \
  { literal, sizeof(literal) - 1 }

struct echo {
  int64_t skip;
};

static const assay_param params[] = {{
    .struct_size = sizeof(assay_param),
    .type = ASSAY_PARAM_INT,
    .flags = ASSAY_PARAM_AFFECTS_RESULT,
    .key = TEXT("skip"),
    .doc = TEXT("words of the prompt left out at its end"),
    .default_json = TEXT("0"),
    .min = 0,
    .max = 100,
}};

static const assay_descriptor description = {
    .struct_size = sizeof(assay_descriptor),
    .kind = ASSAY_MODEL,
    .concurrency = ASSAY_CONCURRENCY_PARALLEL,
    .flags = ASSAY_FLAG_DETERMINISTIC | ASSAY_FLAG_BATCH_INVARIANT,
    .id = TEXT("demo.echo"),
    .version = TEXT("1.0.0"),
    .title = TEXT("Echo"),
    .doc = TEXT("Answers with a word of the prompt"),
    .licence = TEXT("Apache-2.0"),
    .provides = ASSAY_CAP_GENERATE,
    .params = params,
    .param_count = 1,
    .param_size = sizeof(assay_param),
};

static int same(assay_str text, const char* word) {
  return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

static void* reserve(const assay_call* call, size_t size, size_t align) {
  return call->alloc(call->ctx, size, align);
}

static void refuse(assay_status* status, int32_t code, const char* sentence, const assay_call* call) {
  const size_t len = strlen(sentence);
  char* copy = reserve(call, len, 1);
  memset(status, 0, sizeof *status);
  status->code = copy == NULL ? ASSAY_RESOURCE_EXHAUSTED : code;
  if (copy != NULL) memcpy(copy, sentence, len);
  status->message.ptr = copy == NULL ? "out of memory" : copy;
  status->message.len = copy == NULL ? strlen("out of memory") : len;
}

/* The word `skip` words before the last one; empty when there are not so many. */
static assay_str pick(assay_str prompt, int64_t skip) {
  size_t end = prompt.len;
  for (;;) {
    while (end > 0 && prompt.ptr[end - 1] == ' ') --end;
    size_t begin = end;
    while (begin > 0 && prompt.ptr[begin - 1] != ' ') --begin;
    if (skip-- == 0 || end == 0) return (assay_str){prompt.ptr + begin, end - begin};
    end = begin;
  }
}

static void answer(const struct echo* self, const assay_request* request, assay_response* response,
                   const assay_call* call) {
  if (request->n > 1) {
    refuse(&response->status, ASSAY_UNSUPPORTED, "echo gives one answer, not several", call);
    return;
  }
  const assay_str word = pick(request->prompt, self->skip);
  assay_choice* choice = reserve(call, sizeof *choice, sizeof(void*));
  char* text = reserve(call, word.len + 1, 1);
  if (choice == NULL || text == NULL) {
    refuse(&response->status, ASSAY_RESOURCE_EXHAUSTED, "out of memory", call);
    return;
  }
  memset(choice, 0, sizeof *choice);
  if (word.len != 0) memcpy(text, word.ptr, word.len);
  choice->struct_size = sizeof *choice;
  choice->finish = ASSAY_FINISH_STOP;
  choice->text = (assay_str){text, word.len};
  choice->mean_logprob = response->mean_logprob; /* the host presets it to "unknown" */
  response->choices = choice;
  response->choice_count = 1;
  response->choice_size = sizeof *choice;
  response->status = (assay_status){.code = ASSAY_OK};
}

static int32_t generate(void* instance, const assay_request* requests, size_t n, assay_response* responses,
                        const assay_call* call) {
  for (size_t i = 0; i < n; ++i) {
    const assay_request* request = (const void*)((const char*)requests + i * call->req_size);
    assay_response* response = (void*)((char*)responses + i * call->res_size);
    if (call->cancel != NULL && __atomic_load_n(call->cancel, __ATOMIC_ACQUIRE) != 0) {
      refuse(&response->status, ASSAY_CANCELLED, "stopped", call);
    } else {
      answer(instance, request, response, call);
    }
  }
  return ASSAY_OK;
}

static const assay_model_batch_v1 generate_table = {sizeof(assay_model_batch_v1), 0, generate};

static int32_t init(const assay_host* host) {
  return host != NULL && host->abi_major == ASSAY_ABI_MAJOR ? ASSAY_OK : ASSAY_UNSUPPORTED;
}

static uint32_t count(void) {
  return 1;
}

static const assay_descriptor* descriptor(uint32_t i) {
  return i == 0 ? &description : NULL;
}

static int32_t create(assay_str id, const assay_params* given, const assay_env* env, assay_error* error,
                      void** instance) {
  (void)env;
  *instance = NULL;
  struct echo* self = same(id, "demo.echo") && given->count == 1 ? malloc(sizeof *self) : NULL;
  if (self == NULL) {
    static const char reason[] = "the library has no such plugin, or no memory is left";
    error->message_len =
        sizeof reason - 1 < error->message_capacity ? sizeof reason - 1 : error->message_capacity;
    memcpy(error->message, reason, error->message_len);
    return ASSAY_NOT_FOUND;
  }
  self->skip = given->values[0].integer;
  *instance = self;
  return ASSAY_OK;
}

static int32_t capabilities(void* instance, uint64_t* caps) {
  (void)instance;
  *caps = ASSAY_CAP_GENERATE;
  return ASSAY_OK;
}

static void destroy(void* instance) {
  free(instance);
}

static const void* get_extension(void* instance, assay_str id) {
  (void)instance;
  return same(id, "assay.model.generate/1") ? &generate_table : NULL;
}

ASSAY_MARKERS(1, 0, 0);
const assay_entry assay_plugin_entry = {
    .struct_size = sizeof(assay_entry),
    .abi_major = ASSAY_ABI_MAJOR,
    .abi_minor = ASSAY_ABI_MINOR,
    .build_info = "demo_echo, C11",
    .init = init,
    .count = count,
    .descriptor = descriptor,
    .create = create,
    .capabilities = capabilities,
    .destroy = destroy,
    .get_extension = get_extension,
};
