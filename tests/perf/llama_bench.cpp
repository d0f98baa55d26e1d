// How much of a bare decoding loop's speed scoring with every token statistic keeps: the same file, texts,
// context settings and one thread, through the plugin's class and through libllama alone.
//
//   build/perf/llama_bench MODEL.gguf [TEXTS.jsonl] [Google Benchmark options]
// Without TEXTS, a text of its own of some hundred tokens. Compare items_per_second (tokens a second of
// processor time: one thread works) with --benchmark_repetitions=15
// --benchmark_enable_random_interleaving=true (medians).
#include <benchmark/benchmark.h>
#include <llama.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "plugins/models/llama/llama_model.hpp"
#include "tests/support/arena.hpp"

namespace {

using namespace assay;  // NOLINT: a program of one file

std::string model_path;
std::vector<std::string> texts;
constexpr std::uint64_t kAll =
    ASSAY_CAP_LOGPROB | ASSAY_CAP_RANK | ASSAY_CAP_ENTROPY | ASSAY_CAP_MOMENTS | ASSAY_CAP_TOP1;

void give(Plugin& plugin, std::string_view key, const std::string& text, std::int64_t number) {
  for (ParamBase* param : plugin.params()) {
    if (param->key() != key) continue;
    assay_value value{};
    value.struct_size = sizeof value;
    value.is_set = 1;
    value.text = str(text);
    value.integer = number;
    param->accept(value);
  }
}

llama::LlamaModel& model() {
  static const std::unique_ptr<llama::LlamaModel> kModel = [] {
    auto made = std::make_unique<llama::LlamaModel>();
    give(*made, "path", model_path, 0);
    give(*made, "contexts", {}, 1);
    give(*made, "threads", {}, 1);
    give(*made, "overflow", "truncate_left", 0);
    if (const auto done = made->configure(); !done) {
      std::fprintf(stderr, "%s\n", done.error().text.c_str());
      std::exit(1);
    }
    return made;
  }();
  return *kModel;
}

/// Peak memory of the process so far, in MiB.
double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void score(benchmark::State& state, std::uint64_t want) {
  llama::LlamaModel& plugin = model();
  std::int64_t tokens = 0;
  for (auto _ : state) {
    for (const std::string& text : texts) {
      test::Arena arena;
      Call call = arena.call();
      assay_response response = test::empty_response();
      ResponseWriter writer(response, call);
      assay_request request{};
      request.struct_size = sizeof request;
      request.kind = ASSAY_REQUEST_SCORE;
      request.continuation = str(text);
      request.want = want;
      if (!plugin.score(RequestView(&request), writer, call)) state.SkipWithError("score failed");
      tokens += response.scored_count;
    }
  }
  state.SetItemsProcessed(tokens);
  state.counters["peak_MiB"] = peak_mib();
}
void score_all_statistics(benchmark::State& state) {
  score(state, kAll);
}
void score_logprob(benchmark::State& state) {
  score(state, ASSAY_CAP_LOGPROB);
}

/// The tokens of all texts and a context as the plugin makes it, used in the plainest way: every text behind
/// BOS in pieces of 256, all logits made, none read.
struct Bare {
  std::vector<std::vector<llama_token>> sequences;
  llama_context* context = nullptr;
  llama_batch batch = llama_batch_init(256, 0, 1);
  llama_token bos = 0;

  Bare() {
    model();  // starts the library, quiet
    llama_model* weights = llama_model_load_from_file(model_path.c_str(), llama_model_default_params());
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<std::uint32_t>(model().cells());
    params.n_batch = params.n_ubatch = 256;
    params.n_threads = params.n_threads_batch = 1;
    params.type_k = params.type_v = GGML_TYPE_F32;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.no_perf = true;
    context = llama_init_from_model(weights, params);
    bos = llama_vocab_bos(llama_model_get_vocab(weights));
    for (const std::string& text : texts) {
      sequences.push_back(model().encode(text)->ids);
      sequences.back().insert(sequences.back().begin(), bos);
      if (sequences.back().size() > model().cells()) sequences.back().resize(model().cells());
    }
  }
};

void bare_decoding(benchmark::State& state) {
  static Bare bare;
  std::int64_t tokens = 0;
  for (auto _ : state) {
    for (const std::vector<llama_token>& ids : bare.sequences) {
      llama_memory_clear(llama_get_memory(bare.context), false);
      // The last token is predicted, not decoded, as in scoring.
      for (std::size_t from = 0; from + 1 < ids.size(); from += 256) {
        const std::size_t count = std::min<std::size_t>(256, ids.size() - 1 - from);
        bare.batch.n_tokens = static_cast<std::int32_t>(count);
        for (std::size_t i = 0; i < count; ++i) {
          bare.batch.token[i] = ids[from + i];
          bare.batch.pos[i] = static_cast<llama_pos>(from + i);
          bare.batch.n_seq_id[i] = 1;
          bare.batch.seq_id[i][0] = 0;
          bare.batch.logits[i] = 1;
        }
        if (llama_decode(bare.context, bare.batch) != 0) state.SkipWithError("decode failed");
      }
      tokens += static_cast<std::int64_t>(ids.size()) - 1;
    }
  }
  state.SetItemsProcessed(tokens);
  state.counters["peak_MiB"] = peak_mib();
}

BENCHMARK(bare_decoding);
BENCHMARK(score_all_statistics);
BENCHMARK(score_logprob);

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc < 2) {
    std::fprintf(stderr, "usage: llama_bench MODEL.gguf [TEXTS.jsonl] [--benchmark_...]\n");
    return 2;
  }
  model_path = argv[1];
  if (argc > 2) {
    std::ifstream file(argv[2]);
    for (std::string line; std::getline(file, line) && texts.size() < 12;) {
      // The value of "text" up to its closing quote; escapes stay as they are, which is as good a text.
      const std::size_t begin = line.find("\"text\": \"");
      if (begin != std::string::npos) texts.push_back(line.substr(begin + 9, line.rfind('"') - begin - 9));
    }
  }
  if (texts.empty()) {
    std::string text;
    for (int i = 0; i < 9; ++i) {
      text +=
          "One day, a little girl named Lily found a needle in her room. She knew it was difficult to play. ";
    }
    texts.push_back(text);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
