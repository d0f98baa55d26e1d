/* assay/plugin.h - the binary interface between the assay host and its plugins, version 1.0.
 *
 * A plugin library is a shared object that exports one data symbol, `assay_plugin_entry`, and a few marker
 * symbols (ASSAY_DECLARE_* below). Nothing else needs to be visible. A library holds any number of plugins of
 * three kinds:
 *
 *   MODEL   answers requests: generates text, scores text, gives next-token distributions, classifies, embeds
 *   TASK    delivers items (examples) and, for each item, the requests to be asked of a model
 *   METRIC  turns an item and the responses to its requests into named values
 *
 * How a C plugin comes to life (C++ authors use assay/sdk/metric.hpp and friends, which do all of this):
 *
 *   1. The host reads the marker symbols from the file without loading it, loads the file, checks
 *      `struct_size` and `abi_major` of the entry, and only then calls `init(host)`.
 *   2. `count` and `descriptor(i)` say what the library holds: ids, parameter schemas, needs, values.
 *   3. `create(id, params, env, error, &instance)` makes an instance. Parameters arrive complete and
 *      validated, one value per declared parameter, in the order of the schema.
 *   4. `get_extension("assay.metric.eval/1")` and so on return tables of functions. Every call is a batch:
 *      (instance, requests, n, results, call). Result arrays belong to the host and are zero-filled, with
 *      `status.code` set to ASSAY_UNSET: a plugin writes every status it is responsible for.
 *   5. `destroy(instance)` ends it. `deinit` may never be called: libraries stay loaded.
 *
 * Rules that hold everywhere:
 *   - Text is UTF-8 in an assay_str {pointer, length}, not NUL-terminated. Zero always means absent.
 *   - Every growing struct begins with `struct_size`, the sender's sizeof. A field is read only if it lies
 *     inside that size. Fields are only ever appended. Arrays of growing structs carry their stride.
 *   - Memory a plugin hands to the host comes from `call->alloc` and is freed by the host after the batch has
 *     been consumed. Memory the host hands to a plugin is valid until the function returns, unless stated.
 *   - A function's return value is an assay_code for the batch as a whole; each result has its own status.
 *     A status that is not OK carries a sentence.
 *   - No exception may leave a plugin. Plugins do not touch the locale, signal handlers or standard output.
 *   - Unknown extension ids give NULL; unknown flag bits and enum values are ignored.
 *
 * Threads: a plugin declares one of the ASSAY_CONCURRENCY_* modes; create and destroy of different instances
 * may overlap unless the mode is SERIAL. Host functions may be called from any thread.
 */
#ifndef ASSAY_PLUGIN_H
#define ASSAY_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ASSAY_NOEXCEPT noexcept
#define ASSAY_EXTERN extern "C"
extern "C" {
#else
#define ASSAY_NOEXCEPT
#define ASSAY_EXTERN extern
#endif

#define ASSAY_ABI_MAJOR 1u
#define ASSAY_ABI_MINOR 0u

/* ---------------------------------------------------------------------------------------- basic types */

/* Bytes of UTF-8 text. Frozen: two words, for ever. */
typedef struct assay_str {
  const char* ptr;
  size_t len;
} assay_str;

typedef struct assay_str_list {
  const assay_str* items;
  size_t count;
} assay_str_list;

/* Outcomes. Values are permanent. */
enum assay_code {
  ASSAY_UNSET = -1,            /* what the host writes before a call; never valid as an answer */
  ASSAY_OK = 0,
  ASSAY_CANCELLED = 1,         /* the run was stopped: the item stays missing */
  ASSAY_TIMEOUT = 2,           /* the deadline passed */
  ASSAY_INVALID_ARGUMENT = 3,
  ASSAY_UNSUPPORTED = 4,       /* a capability is missing */
  ASSAY_NOT_FOUND = 5,
  ASSAY_DATA = 6,              /* a data file or row is malformed */
  ASSAY_AUTH = 7,
  ASSAY_RATE_LIMITED = 8,      /* retryable by default, as are UNAVAILABLE and TIMEOUT */
  ASSAY_UNAVAILABLE = 9,
  ASSAY_RESOURCE_EXHAUSTED = 10,
  ASSAY_INTERNAL = 11,
  ASSAY_PLUGIN_MISBEHAVING = 12, /* set by the host only */
  ASSAY_WORKER_CRASHED = 13      /* set by the host only */
};

/* Outcome of one item. Frozen. */
typedef struct assay_status {
  int32_t code;            /* enum assay_code */
  int32_t retryable;       /* -1 no, 0 as the code says, 1 yes */
  uint32_t retry_after_ms; /* 0: unknown */
  uint32_t reserved;
  assay_str message;       /* required when code is not OK; at most 4096 bytes; from call->alloc */
} assay_status;

/* Why create() failed. The host provides both buffers; the plugin writes at most the given capacity. */
typedef struct assay_error {
  uint32_t struct_size;
  int32_t code;
  char* message;
  size_t message_capacity;
  size_t message_len;
  char* key;               /* the offending parameter, if there is one */
  size_t key_capacity;
  size_t key_len;
} assay_error;

enum assay_kind { ASSAY_MODEL = 1, ASSAY_TASK = 2, ASSAY_METRIC = 3 };

enum assay_concurrency {
  ASSAY_CONCURRENCY_SERIAL = 0,       /* one thread in the whole process for this library */
  ASSAY_CONCURRENCY_PER_INSTANCE = 1, /* one thread at a time per instance */
  ASSAY_CONCURRENCY_PARALLEL = 2      /* any number of threads in one instance */
};

/* What a model offers (`provides`, `capabilities`), and what a task or metric needs (`requires`). The planner
 * marks a pair with a missing bit as unsupported before the run; nothing is ever approximated. */
#define ASSAY_CAP_GENERATE (UINT64_C(1) << 0)     /* free text from a prompt */
#define ASSAY_CAP_CHAT (UINT64_C(1) << 1)         /* messages with roles */
#define ASSAY_CAP_SCORE_MEAN (UINT64_C(1) << 2)   /* mean log-probability and token count of a continuation */
#define ASSAY_CAP_LOGPROB (UINT64_C(1) << 3)      /* log-probability of every token of a continuation */
#define ASSAY_CAP_RANK (UINT64_C(1) << 4)         /* 1 + number of tokens with a strictly greater logit */
#define ASSAY_CAP_ENTROPY (UINT64_C(1) << 5)
#define ASSAY_CAP_MOMENTS (UINT64_C(1) << 6)      /* mean and variance of ln p under p */
#define ASSAY_CAP_TOP1 (UINT64_C(1) << 7)         /* most probable token and its log-probability */
#define ASSAY_CAP_TOPK (UINT64_C(1) << 8)
#define ASSAY_CAP_ROWS (UINT64_C(1) << 9)         /* whole next-token distributions */
#define ASSAY_CAP_TOKENIZE (UINT64_C(1) << 10)
#define ASSAY_CAP_CLASSIFY (UINT64_C(1) << 11)    /* class probabilities or detector scores of a text */
#define ASSAY_CAP_EMBED (UINT64_C(1) << 12)
#define ASSAY_CAP_TRAIN (UINT64_C(1) << 13)
#define ASSAY_CAP_EXACT_UNLEARN (UINT64_C(1) << 14)
#define ASSAY_CAP_GENERATE_STATS (UINT64_C(1) << 15) /* token statistics of generated text */
#define ASSAY_CAP_MEMBERS (UINT64_C(1) << 16)     /* rows of the members of an ensemble */
#define ASSAY_CAP_IMAGE (UINT64_C(1) << 17)

/* ------------------------------------------------------------------------------------ descriptors */

enum assay_param_type {
  ASSAY_PARAM_BOOL = 1,
  ASSAY_PARAM_INT = 2,
  ASSAY_PARAM_FLOAT = 3,
  ASSAY_PARAM_STRING = 4,
  ASSAY_PARAM_ENUM = 5,
  ASSAY_PARAM_PATH = 6,        /* an existing file or folder; the host resolves `data:NAME` and relative paths */
  ASSAY_PARAM_DURATION = 7,    /* nanoseconds; written "250ms", "10s", "2m" */
  ASSAY_PARAM_SIZE = 8,        /* bytes; written 1024, "64KiB", "1GiB" */
  ASSAY_PARAM_STRING_LIST = 9,
  ASSAY_PARAM_JSON = 10
};

#define ASSAY_PARAM_REQUIRED (1u << 0)
#define ASSAY_PARAM_SECRET (1u << 1)         /* the value names an environment variable; never stored or logged */
#define ASSAY_PARAM_AFFECTS_RESULT (1u << 2) /* enters the identity of the instance; a path by its content */
#define ASSAY_PARAM_DEPRECATED (1u << 3)

/* One typed parameter of a plugin. Owned by the plugin, immutable until deinit. */
typedef struct assay_param {
  uint32_t struct_size;
  int32_t type;              /* enum assay_param_type */
  uint32_t flags;            /* ASSAY_PARAM_* */
  uint32_t reserved;
  assay_str key;             /* [a-z][a-z0-9_]* */
  assay_str doc;             /* mandatory */
  assay_str default_json;    /* JSON text; empty: no default (absent unless REQUIRED) */
  double min, max;           /* numeric bounds, inclusive; NaN: none */
  assay_str_list choices;    /* ENUM only */
  assay_str unit;
  assay_str replacement;     /* DEPRECATED only */
} assay_param;

/* A model another plugin needs: a wrapper's inner model, a metric's judge. Owned by the plugin. */
typedef struct assay_slot {
  uint32_t struct_size;
  uint32_t min_count;
  uint32_t max_count;        /* 0: no limit */
  uint32_t reserved;
  assay_str key;             /* name of the argument in a model expression: "of" */
  assay_str role;            /* target, reference, retain_reference, original, base, judge, nli, ... */
  uint64_t requires_caps;    /* ASSAY_CAP_* every bound model must have */
  assay_str same_tokenizer_as; /* another slot's key, or empty */
  assay_str doc;
} assay_slot;

enum assay_rule {
  ASSAY_RULE_NONE = 0,       /* kept per item, not aggregated */
  ASSAY_RULE_PROPORTION = 1, /* mean of 0/1 values */
  ASSAY_RULE_MEAN = 2,
  ASSAY_RULE_AUROC = 3,      /* ranks the value against the item's label; also TPR at FPR, PR-AUC */
  ASSAY_RULE_RATIO = 4,      /* sum of this value / sum of the value named `denominator` */
  ASSAY_RULE_EXP_MEAN = 5,   /* exp of the mean (perplexity of mean negative log-likelihoods) */
  ASSAY_RULE_CUSTOM = 6      /* delivered by assay.metric.aggregate/1, not per item */
};

enum assay_direction { ASSAY_NO_DIRECTION = 0, ASSAY_HIGHER_IS_BETTER = 1, ASSAY_LOWER_IS_BETTER = 2 };

#define ASSAY_VALUE_HEADLINE (1u << 0)      /* the one number of this metric; exactly one per metric */
#define ASSAY_VALUE_NO_INTERVAL (1u << 1)   /* no interval by nature (a p-value); `note` says why */

/* One named value of a metric. Per-item values first (in the order of assay_score.values), custom ones
 * anywhere: custom values are numbered among themselves. Owned by the plugin. */
typedef struct assay_value_info {
  uint32_t struct_size;
  int32_t rule;              /* enum assay_rule */
  int32_t direction;         /* enum assay_direction */
  uint32_t flags;            /* ASSAY_VALUE_* */
  assay_str name;            /* "auroc" and others are appended by the host for the AUROC rule */
  assay_str doc;             /* one line: the definition */
  assay_str unit;
  assay_str denominator;     /* RATIO only */
  assay_str note;
  double min, max;           /* range of a per-item (or custom) value; NaN: unbounded */
} assay_value_info;

#define ASSAY_FLAG_DETERMINISTIC (1u << 0)
#define ASSAY_FLAG_BATCH_INVARIANT (1u << 1)
#define ASSAY_FLAG_NETWORK (1u << 2)
#define ASSAY_FLAG_BLOCKS_ON_MODELS (1u << 3)  /* waits for models obtained from the host */
#define ASSAY_FLAG_NEEDS_REFERENCE (1u << 4)   /* METRIC: wants the retain_reference model's record of each item */
#define ASSAY_FLAG_KEYED_BY_ITEM (1u << 5)     /* MODEL: the answer depends on the item's id, not on its text */
#define ASSAY_FLAG_BASELINE (1u << 6)          /* METRIC: a model-free rule, printed beside the scores it checks */
#define ASSAY_FLAG_POOL_VARIANTS (1u << 7)     /* METRIC: aggregates over all variants together, not one by one */
#define ASSAY_FLAG_WRAPPER (1u << 8)           /* MODEL: owns other models; its capabilities depend on theirs */

/* What one plugin is. Owned by the plugin, immutable, valid until deinit. */
typedef struct assay_descriptor {
  uint32_t struct_size;
  int32_t kind;              /* enum assay_kind */
  int32_t concurrency;       /* enum assay_concurrency */
  uint32_t flags;            /* ASSAY_FLAG_* */
  assay_str id;              /* "vendor.name", [a-z0-9_.]+ */
  assay_str version;         /* semantic version */
  assay_str title;
  assay_str doc;
  assay_str licence;
  uint64_t provides;         /* MODEL: the most an instance can offer */
  uint64_t requires_caps;    /* TASK, METRIC: what the model under test must offer */
  uint32_t max_batch;        /* 0: no limit */
  uint32_t preferred_batch;  /* 0: the host chooses */
  const assay_param* params;
  size_t param_count, param_size;
  const assay_slot* slots;
  size_t slot_count, slot_size;
  const assay_value_info* values; /* METRIC */
  size_t value_count, value_size;
} assay_descriptor;

/* ------------------------------------------------------------------------------- parameters, environment */

/* A parameter as given to create(). Exactly the field of its type is set. Host-owned, valid during create. */
typedef struct assay_value {
  uint32_t struct_size;
  int32_t type;              /* enum assay_param_type */
  uint32_t is_set;           /* 0: an optional parameter without default was not given */
  uint32_t reserved;
  assay_str key;
  int64_t integer;           /* BOOL, INT, DURATION (ns), SIZE (bytes) */
  double number;             /* FLOAT, INT */
  assay_str text;            /* STRING, ENUM, PATH (absolute), JSON, the resolved SECRET */
  assay_str_list list;       /* STRING_LIST */
} assay_value;

typedef struct assay_params {
  uint32_t struct_size;
  uint32_t reserved;
  const assay_value* values; /* one per declared parameter, in schema order */
  size_t count, stride;
} assay_params;

/* Functions of the host; `ctx` is the first argument of every host function. */
typedef struct assay_host {
  uint32_t struct_size;
  uint32_t abi_major, abi_minor, reserved;
  assay_str version;
  void* ctx;
  const void* (*get_extension)(void* ctx, assay_str id)ASSAY_NOEXCEPT;
} assay_host;

/* Where an instance lives: its host and the models bound to its slots. Valid until destroy returns. */
typedef struct assay_env {
  uint32_t struct_size, reserved;
  const assay_host* host;
  void* bindings;            /* opaque, for assay.host.models/1 */
} assay_env;

/* ------------------------------------------------------------------------------------------------- calls */

struct assay_request;
struct assay_row;

/* The surroundings of one batch call. Host-owned, valid until the batch function returns. */
typedef struct assay_call {
  uint32_t struct_size, reserved;
  void* ctx;
  size_t req_size, res_size; /* strides of the request and result arrays */
  /* Uninitialised memory of the batch's arena; align is a power of two <= 4096. NULL: report
   * RESOURCE_EXHAUSTED. Any thread. */
  void* (*alloc)(void* ctx, size_t size, size_t align)ASSAY_NOEXCEPT;
  const uint32_t* cancel;    /* acquire-read at least every 100 ms; non-zero: finish with CANCELLED */
  uint64_t deadline_ns;      /* CLOCK_MONOTONIC; 0: none. In the past: return TIMEOUT for every item */
  /* Item i is final and will not be touched again. At most once per item, any thread, any order. */
  void (*complete)(void* ctx, size_t i)ASSAY_NOEXCEPT;
  /* Row visitor of assay.model.rows/1: rows of one request come in ascending position from one thread.
   * Non-zero: skip the rest of this request. */
  int32_t (*row)(void* ctx, size_t request, const struct assay_row* row)ASSAY_NOEXCEPT;
} assay_call;

enum assay_request_kind {
  ASSAY_REQUEST_GENERATE = 1, /* prompt (or messages) -> n texts */
  ASSAY_REQUEST_SCORE = 2,    /* prompt, continuation -> statistics of every token of the continuation */
  ASSAY_REQUEST_ROWS = 3,     /* prompt, continuation -> the distribution predicting each of its tokens */
  ASSAY_REQUEST_CLASSIFY = 4, /* prompt -> one number per class */
  ASSAY_REQUEST_EMBED = 5     /* prompt -> a vector */
};

enum assay_join {
  ASSAY_JOIN_JOINT_TAIL = 0, /* tokens(prompt+continuation) after tokens(prompt); falls back to char spans */
  ASSAY_JOIN_SEPARATE = 1    /* the continuation is tokenised alone */
};

#define ASSAY_REQ_APPEND_EOS (1u << 0)    /* SCORE: the end-of-text token is scored too */
#define ASSAY_REQ_INCLUDE_LAST (1u << 1)  /* ROWS: also the row after the last token */
#define ASSAY_REQ_MEMBERS (1u << 2)       /* ROWS: also the rows of an ensemble's members */

typedef struct assay_message {
  assay_str role;            /* system, user, assistant */
  assay_str content;
} assay_message;

/* One request. Written by tasks, read by models. Everything from `name` to `label` is for tasks and metrics
 * and never changes an answer, except that KEYED_BY_ITEM models look answers up by task, item, variant, name. */
typedef struct assay_request {
  uint32_t struct_size;
  int32_t kind;              /* enum assay_request_kind */
  uint32_t flags;            /* ASSAY_REQ_* */
  int32_t join;              /* enum assay_join */
  assay_str name;            /* unique in the item: "answer", "choice/2" */
  assay_str role;            /* which model of the recipe; empty: target */
  int32_t label;             /* truth of a choice (1 true, 0 false), -1: none */
  uint32_t repeat;           /* filled by the host */
  assay_str task, item, variant; /* filled by the host */
  assay_str prompt;
  assay_str continuation;
  const assay_message* messages; /* chat instead of prompt; frozen element type */
  size_t message_count;
  uint64_t want;             /* ASSAY_CAP_* bits of statistics wanted in the answer */
  int32_t max_tokens;        /* GENERATE; 0: the model's default */
  int32_t n;                 /* GENERATE: number of samples; 0 means 1 */
  int32_t top_k;             /* 0: off */
  uint32_t reserved;
  double temperature;        /* 0: greedy */
  double top_p;              /* 0 or 1: off */
  double min_p;              /* 0: off */
  uint64_t seed;             /* filled by the host for sampling requests */
  assay_str_list stop;
} assay_request;

/* ------------------------------------------------------------------------------------------- responses */

enum assay_finish {
  ASSAY_FINISH_NONE = 0,
  ASSAY_FINISH_STOP = 1,     /* end of text or a stop string */
  ASSAY_FINISH_LENGTH = 2,   /* max_tokens reached: the state `truncated` unless a value can be read */
  ASSAY_FINISH_FILTER = 3    /* withheld by a filter: the state `refused` */
};

/* Token statistics: arrays of float64, one value per token, NaN where absent. Natural logarithms; p is the
 * softmax over the whole vocabulary at that position. Infinite or positive log-probabilities are errors. */
enum assay_stat {
  ASSAY_STAT_LOGPROB = 0,      /* ln p of the actual token */
  ASSAY_STAT_RANK = 1,         /* 1 + number of tokens with a strictly greater logit */
  ASSAY_STAT_RANK_TIES = 2,    /* number of other tokens with an equal logit */
  ASSAY_STAT_ENTROPY = 3,      /* -sum p ln p */
  ASSAY_STAT_MEAN_LP = 4,      /* sum p ln p */
  ASSAY_STAT_VAR_LP = 5,       /* sum p (ln p)^2 - mean_lp^2, at least 0 */
  ASSAY_STAT_TOP1_ID = 6,      /* argmax, lowest id on ties */
  ASSAY_STAT_TOP1_LOGPROB = 7,
  ASSAY_STAT_UNIFORM_MEAN = 8, /* moments of ln p under the uniform distribution; never a substitute for 4, 5 */
  ASSAY_STAT_UNIFORM_VAR = 9,
  ASSAY_STAT_COUNT = 10
};

#define ASSAY_TOKENS_BOS_ADDED (1u << 0)
#define ASSAY_TOKENS_EOS_APPENDED (1u << 1)
#define ASSAY_TOKENS_BOUNDARY_MERGED (1u << 2) /* a token spans prompt and continuation */
#define ASSAY_TOKENS_MASKED (1u << 3)          /* a guard replaced the distribution */
#define ASSAY_TOKENS_DOUBLE_BOS (1u << 4)
#define ASSAY_TOKENS_PASSED_GUARD (1u << 5)    /* scores of an inner model behind a guard */

typedef struct assay_tokens {
  uint32_t struct_size;
  uint32_t flags;            /* ASSAY_TOKENS_* */
  size_t count;              /* tokens of the continuation (with EOS when appended), or of the generated text */
  const int32_t* ids;        /* NULL: unknown */
  const uint32_t* begin;     /* byte spans in the text; NULL: unknown */
  const uint32_t* end;
  const double* const* stats;/* stats[s] is NULL or an array of `count`; s < stat_count */
  uint32_t stat_count;
  uint32_t reserved;
  uint64_t vocabulary;       /* width of the distribution; 0: unknown */
  /* Top-k in CSR form, descending; NULL when not delivered. */
  const uint64_t* top_offset; /* count + 1 */
  const int32_t* top_id;
  const double* top_logprob;
} assay_tokens;

enum assay_row_form { ASSAY_ROW_LOGITS = 1, ASSAY_ROW_LOGPROBS = 2, ASSAY_ROW_PROBABILITIES = 3 };
enum assay_dtype { ASSAY_F32 = 1, ASSAY_F64 = 2 };

/* One distribution over the vocabulary. `data` is valid only during the visit (or until the batch is consumed
 * when it is part of a response). */
typedef struct assay_row {
  uint32_t struct_size;
  int32_t form;              /* enum assay_row_form */
  int32_t dtype;             /* enum assay_dtype */
  int32_t member;            /* -1: the model's own; 0..M-1: a member of an ensemble */
  int64_t position;          /* 0: predicts the first token of the continuation */
  int32_t target;            /* id of the token that follows, -1: none */
  uint32_t vocabulary;
  const void* data;
} assay_row;

typedef struct assay_choice {
  uint32_t struct_size;
  int32_t finish;            /* enum assay_finish */
  assay_str text;
  const assay_tokens* tokens; /* NULL unless wanted and available */
  double mean_logprob;       /* NaN: unknown */
} assay_choice;

/* Named numbers that belong to a response: interventions of a guard, epistemic entropy per token. */
typedef struct assay_series {
  assay_str name;
  const double* values;
  size_t count;
} assay_series;

/* One answer. The host owns the struct; everything it points to comes from call->alloc. */
typedef struct assay_response {
  uint32_t struct_size;
  uint32_t flags;
  assay_status status;
  const assay_choice* choices; /* GENERATE */
  size_t choice_count, choice_size;
  const assay_tokens* tokens;  /* SCORE */
  double mean_logprob;         /* SCORE; NaN: compute from tokens. Set by models that hold only aggregates */
  int64_t scored_count;        /* tokens in mean_logprob; 0: unknown */
  const double* values;        /* CLASSIFY: one per class; EMBED: the vector */
  size_t value_count;
  const assay_row* rows;       /* ROWS: filled by the host from the visits, never by a plugin */
  size_t row_count, row_size;
  const assay_series* series;
  size_t series_count;
  int64_t tokens_in, tokens_out, tokens_cached; /* usage; 0: unknown */
  uint64_t queue_ns, first_token_ns, total_ns;
  uint32_t attempts;           /* 0 means 1 */
  uint32_t reserved;
  assay_str provider_id;
} assay_response;

/* ------------------------------------------------------------------------------------- model extensions */

typedef int32_t (*assay_model_batch_fn)(void* instance, const assay_request* requests, size_t n,
                                        assay_response* responses, const assay_call* call) ASSAY_NOEXCEPT;

/* assay.model.generate/1, assay.model.score/1, assay.model.rows/1, assay.model.classify/1,
 * assay.model.embed/1: one shape, one kind of request each. */
typedef struct assay_model_batch_v1 {
  uint32_t struct_size, reserved;
  assay_model_batch_fn run;
} assay_model_batch_v1;

/* assay.model.tokenize/1. Outputs are allocated from the call. */
typedef struct assay_model_tokenize_v1 {
  uint32_t struct_size, reserved;
  int32_t (*encode)(void* instance, assay_str text, const int32_t** ids, const uint32_t** begin,
                    const uint32_t** end, size_t* count, const assay_call* call)ASSAY_NOEXCEPT;
  int32_t (*decode)(void* instance, const int32_t* ids, size_t count, assay_str* text,
                    const assay_call* call)ASSAY_NOEXCEPT;
  uint64_t (*vocabulary)(void* instance)ASSAY_NOEXCEPT;
  int32_t (*bos)(void* instance)ASSAY_NOEXCEPT; /* -1: none */
  int32_t (*eos)(void* instance)ASSAY_NOEXCEPT;
  /* SHA-256 (64 hex digits) over vocabulary and merge data: equal exactly for interchangeable tokenizers. */
  int32_t (*fingerprint)(void* instance, assay_str* text, const assay_call* call)ASSAY_NOEXCEPT;
} assay_model_tokenize_v1;

/* assay.model.identity/1: SHA-256 (hex) of what the parameters do not say: weights, trained counts. */
typedef struct assay_model_identity_v1 {
  uint32_t struct_size, reserved;
  int32_t (*content)(void* instance, assay_str* text, const assay_call* call)ASSAY_NOEXCEPT;
} assay_model_identity_v1;

/* assay.model.train/1. Exclusive: no other call may run on the instance meanwhile. All or nothing. */
typedef struct assay_document {
  uint32_t struct_size, reserved;
  assay_str prompt;          /* may be empty */
  assay_str text;
  int64_t copies;            /* at least 1 */
} assay_document;

typedef struct assay_model_train_v1 {
  uint32_t struct_size, reserved;
  int32_t (*reset)(void* instance)ASSAY_NOEXCEPT;
  int32_t (*train)(void* instance, const assay_document* documents, size_t n, assay_status* status,
                   const assay_call* call)ASSAY_NOEXCEPT;
  int32_t (*unlearn)(void* instance, const assay_document* documents, size_t n, assay_status* status,
                     const assay_call* call)ASSAY_NOEXCEPT; /* NULL: not offered */
} assay_model_train_v1;

/* assay.model.classes/1: the names of the classes of CLASSIFY, in the order of response.values. */
typedef struct assay_model_classes_v1 {
  uint32_t struct_size, reserved;
  int32_t (*names)(void* instance, assay_str_list* names, const assay_call* call)ASSAY_NOEXCEPT;
} assay_model_classes_v1;

/* assay.model.members/1: how many members an ensemble's rows speak of. */
typedef struct assay_model_members_v1 {
  uint32_t struct_size, reserved;
  uint32_t (*count)(void* instance)ASSAY_NOEXCEPT;
} assay_model_members_v1;

/* -------------------------------------------------------------------------------------- task extensions */

/* A named extra of an item. `number` is NaN for text. Frozen. */
typedef struct assay_field {
  assay_str key;
  assay_str text;
  double number;
} assay_field;

/* One example. The host owns the struct; everything it points to comes from call->alloc. */
typedef struct assay_item {
  uint32_t struct_size;
  int32_t label;             /* class for AUROC and friends: 1 positive, 0 negative, -1 none */
  assay_str id;              /* stable and unique within (task, variant) */
  assay_str group;           /* document, author, topic: the unit of clustered errors; empty: none */
  assay_str variant;         /* "length32", "paraphrase"; empty: the only one */
  assay_str text;            /* the text a text-level metric looks at, or the question */
  assay_str_list targets;    /* accepted answers */
  const assay_field* fields;
  size_t field_count;
  const assay_request* requests;
  size_t request_count, request_size;
  assay_status status;       /* not OK: this row is bad data; it becomes an item in state error */
} assay_item;

/* assay.task.items/1 */
typedef struct assay_task_items_v1 {
  uint32_t struct_size, reserved;
  /* Reads and checks the data. Failures are described in *status. Called once, before count and fetch. */
  int32_t (*open)(void* instance, assay_status* status, const assay_call* call)ASSAY_NOEXCEPT;
  int64_t (*count)(void* instance)ASSAY_NOEXCEPT; /* items in all; -1: unknown until fetched */
  /* Items start .. start+n-1 into items[0..n-1]; *produced < n only at the end. Repeatable. */
  int32_t (*fetch)(void* instance, uint64_t start, size_t n, assay_item* items, size_t* produced,
                   const assay_call* call)ASSAY_NOEXCEPT;
  /* Rows of the data that could not be used: sentences with file and line. */
  size_t (*problem_count)(void* instance)ASSAY_NOEXCEPT;
  int32_t (*problem)(void* instance, size_t i, assay_str* text, const assay_call* call)ASSAY_NOEXCEPT;
} assay_task_items_v1;

/* ------------------------------------------------------------------------------------ metric extensions */

/* An item with what the models answered. responses[i] answers item->requests[i]. Host-owned. */
typedef struct assay_record {
  uint32_t struct_size;
  uint32_t repeat;
  uint64_t index;            /* position of the item in the task, from 0 */
  const assay_item* item;
  const assay_response* responses;
  size_t response_count, response_size;
  const struct assay_record* reference; /* the same item from the retain_reference model, or NULL */
} assay_record;

/* States of an item. `ok` with a low score is a wrong answer; the others never turn into 0 silently. */
enum assay_state {
  ASSAY_STATE_UNSET = -1,
  ASSAY_STATE_OK = 0,
  ASSAY_STATE_EMPTY = 1,
  ASSAY_STATE_REFUSED = 2,
  ASSAY_STATE_TRUNCATED = 3,
  ASSAY_STATE_UNPARSED = 4,
  ASSAY_STATE_UNSUPPORTED = 5,
  ASSAY_STATE_ERROR = 6,
  ASSAY_STATE_TIMEOUT = 7
};

/* What a metric says of one item. The host presets `values` to NaN and owns the array. */
typedef struct assay_score {
  uint32_t struct_size;
  int32_t state;             /* enum assay_state: OK, or why there is no value */
  assay_status status;
  double* values;            /* one per per-item value of the descriptor; NaN: missing */
  size_t value_count;
  assay_str note;            /* the parsed answer or the reason, for people */
} assay_score;

/* assay.metric.eval/1 */
typedef struct assay_metric_eval_v1 {
  uint32_t struct_size, reserved;
  int32_t (*eval)(void* instance, const assay_record* records, size_t n, assay_score* scores,
                  const assay_call* call)ASSAY_NOEXCEPT;
} assay_metric_eval_v1;

/* assay.metric.fit/1: metrics that must see all items (without responses) before the first score, such as a
 * naive Bayes baseline. `last` marks the final portion. Called again from the start for another selection. */
typedef struct assay_metric_fit_v1 {
  uint32_t struct_size, reserved;
  int32_t (*fit)(void* instance, const assay_record* records, size_t n, int32_t last, assay_status* status,
                 const assay_call* call)ASSAY_NOEXCEPT;
} assay_metric_fit_v1;

/* All item values of one (recipe, model, variant), for custom aggregates. Host-owned. */
typedef struct assay_sample {
  uint32_t struct_size, reserved;
  size_t item_count, value_count;
  const double* values;      /* row-major item_count x value_count; NaN: missing */
  const int32_t* labels;
  const uint32_t* groups;    /* small numbers; equal = same group; UINT32_MAX: none */
  const uint32_t* variants;  /* index into variant_names */
  assay_str_list variant_names;
  const uint64_t* index;     /* position of the item in the task */
} assay_sample;

/* assay.metric.aggregate/1: computes every CUSTOM value for each of `n` resamples. picks[r] lists pick_counts[r]
 * item numbers (with repetitions); results is row-major n x number of custom values, preset to NaN. */
typedef struct assay_metric_aggregate_v1 {
  uint32_t struct_size, reserved;
  int32_t (*aggregate)(void* instance, const assay_sample* sample, const uint32_t* const* picks,
                       const size_t* pick_counts, size_t n, double* results, const assay_call* call)ASSAY_NOEXCEPT;
} assay_metric_aggregate_v1;

/* -------------------------------------------------------------------------------------- host extensions */

enum assay_log_level {
  ASSAY_LOG_TRACE = 0,
  ASSAY_LOG_DEBUG = 1,
  ASSAY_LOG_INFO = 2,
  ASSAY_LOG_WARNING = 3,
  ASSAY_LOG_ERROR = 4
};

/* assay.host.log/1 */
typedef struct assay_host_log_v1 {
  uint32_t struct_size, reserved;
  void (*write)(void* ctx, int32_t level, assay_str message)ASSAY_NOEXCEPT;
} assay_host_log_v1;

/* A model bound to a slot; borrowed, valid from create until destroy returns. */
typedef struct assay_model_handle assay_model_handle;

/* assay.host.models/1: the models bound to the slots of an instance. Every call goes through the host, which
 * checks answers, passes the caller's cancel word and deadline on, and allocates from the caller's arena. */
typedef struct assay_host_models_v1 {
  uint32_t struct_size, reserved;
  size_t (*count)(const assay_env* env, assay_str slot)ASSAY_NOEXCEPT;
  const assay_model_handle* (*get)(const assay_env* env, assay_str slot, size_t index)ASSAY_NOEXCEPT;
  uint64_t (*capabilities)(const assay_model_handle* model)ASSAY_NOEXCEPT;
  assay_str (*identity)(const assay_model_handle* model)ASSAY_NOEXCEPT;  /* fingerprint, 64 hex digits */
  assay_str (*tokenizer)(const assay_model_handle* model)ASSAY_NOEXCEPT; /* tokenizer fingerprint or empty */
  const assay_model_tokenize_v1* (*tokenize)(const assay_model_handle* model, void** instance)ASSAY_NOEXCEPT;
  /* All requests of one kind. `row` (with row_ctx) receives the visits of ROWS requests. */
  int32_t (*run)(const assay_model_handle* model, const assay_request* requests, size_t n,
                 assay_response* responses, const assay_call* parent,
                 int32_t (*row)(void* row_ctx, size_t request, const assay_row* row) ASSAY_NOEXCEPT,
                 void* row_ctx)ASSAY_NOEXCEPT;
} assay_host_models_v1;

/* ---------------------------------------------------------------------------------------------- the entry */

typedef struct assay_entry {
  uint32_t struct_size;
  uint32_t abi_major, abi_minor; /* frozen prefix: these three never move */
  uint32_t sdk_version;
  const char* build_info;        /* NUL-terminated: compiler, flags, version; stored with every run */
  int32_t (*init)(const assay_host* host)ASSAY_NOEXCEPT; /* fast, no threads, tolerates repetition */
  void (*deinit)(void)ASSAY_NOEXCEPT;
  uint32_t (*count)(void)ASSAY_NOEXCEPT;
  const assay_descriptor* (*descriptor)(uint32_t i)ASSAY_NOEXCEPT;
  int32_t (*create)(assay_str id, const assay_params* params, const assay_env* env, assay_error* error,
                    void** instance)ASSAY_NOEXCEPT;
  /* Capabilities after configuration: a subset of the descriptor's (models). */
  int32_t (*capabilities)(void* instance, uint64_t* caps)ASSAY_NOEXCEPT;
  void (*destroy)(void* instance)ASSAY_NOEXCEPT; /* tolerates NULL */
  const void* (*get_extension)(void* instance, assay_str id)ASSAY_NOEXCEPT;
} assay_entry;

#if defined(__GNUC__)
#define ASSAY_VISIBLE __attribute__((visibility("default")))
#define ASSAY_MARKER __attribute__((used, section("assay_md")))
#else
#define ASSAY_VISIBLE
#define ASSAY_MARKER
#endif

ASSAY_EXTERN ASSAY_VISIBLE const assay_entry assay_plugin_entry;
/* Markers, readable without loading the library. The name carries the ABI; a kind marker's value is 1 when the
 * library holds plugins of that kind. */
ASSAY_EXTERN ASSAY_VISIBLE const uint32_t assay_abi_1_0;
ASSAY_EXTERN ASSAY_VISIBLE const uint32_t assay_kind_model;
ASSAY_EXTERN ASSAY_VISIBLE const uint32_t assay_kind_task;
ASSAY_EXTERN ASSAY_VISIBLE const uint32_t assay_kind_metric;

/* For C: ASSAY_MARKERS(1, 0, 0) in one source file declares a library of models. */
#define ASSAY_MARKERS(model, task, metric)             \
  ASSAY_MARKER const uint32_t assay_abi_1_0 = 1u;      \
  ASSAY_MARKER const uint32_t assay_kind_model = model; \
  ASSAY_MARKER const uint32_t assay_kind_task = task;   \
  ASSAY_MARKER const uint32_t assay_kind_metric = metric

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* ASSAY_PLUGIN_H */
