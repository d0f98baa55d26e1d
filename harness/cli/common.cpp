#include "harness/cli/common.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/base/files.hpp"
#include "harness/base/strings.hpp"

namespace assay::host::cli {

int exit_code(Code code) {
  switch (code) {
    case Code::kOk:
      return kDone;
    case Code::kCancelled:
      return kInterrupted;
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kUnsupported:
      return kUsage;
    case Code::kData:
      return kData;
    case Code::kInternal:
      return kDefect;
    default:
      return kInfrastructure;
  }
}

RegistryOptions Globals::registry() const {
  RegistryOptions options;
  for (const std::string& file : plugin_files) options.files.emplace_back(file);
  return options;
}

DataOptions Globals::data() const {
  DataOptions options;
  options.mirror = data_dir;
  options.offline = offline;
  return options;
}

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> kVerbs = {
      {"run", "run a suite against one or more models", "run SUITE.toml [--model EXPR]... [options]",
       "assay run benchmarks/suites/quickstart.toml --model 'ngram(order=5)' --limit 100", run_options,
       [] { return std::vector<std::string>{"suite"}; }, run_verb},
      {"plan", "show what a run would do, without running it", "plan SUITE.toml [--model EXPR]... [options]",
       "assay plan benchmarks/suites/mia-wikimia.toml --data ../shared/data", plan_options,
       [] { return std::vector<std::string>{"suite"}; }, plan_verb},
      {"resume", "continue a run that was interrupted", "resume [RUN] [--retry-errors]",
       "assay resume latest", resume_options, [] { return std::vector<std::string>{"run"}; }, resume_verb},
      {"import", "make a run out of another harness's log", "import PATH [--as FORMAT] [options]",
       "assay import logs/2026-11-02_arc.eval --db history.db", import_options,
       [] { return std::vector<std::string>{"path"}; }, import_verb},
      {"export", "write a run as JSONL, CSV, Every Eval Ever records or batch input",
       "export [RUN] --as jsonl|csv|eee|batch [--task PATTERN] [--out PATH]",
       "assay export latest --as jsonl --out rows.jsonl", export_options,
       [] { return std::vector<std::string>{"run"}; }, export_verb},
      {"score", "compute metrics from stored answers, without a model",
       "score [RUN] --metric EXPR... [--task PATTERN] [--as LABEL]",
       "assay score latest --metric 'mia.mink(k=0.3)' --plugin ./my_metric.so --metric my.metric",
       score_options, [] { return std::vector<std::string>{"run"}; }, score_verb},
      {"show", "show a stored run: its scores, its items, or one item", "show [RUN] [--items | --item ID]",
       "assay show latest --items --state error", show_options,
       [] { return std::vector<std::string>{"name"}; }, show_verb},
      {"report", "write a stored run as one HTML file that needs no network", "report [RUN] --html FILE",
       "assay report latest --html run.html", report_options, [] { return std::vector<std::string>{"run"}; },
       report_verb},
      {"compare", "compare two runs item by item: differences, tests, verdicts",
       "compare BASELINE CANDIDATE [--margin M] [--task PATTERN] [--metric PATTERN] [--model A=B] [--html "
       "FILE]",
       "assay compare latest~1 latest --margin 0.02", compare_options,
       [] {
         return std::vector<std::string>{"baseline", "candidate"};
       },
       compare_verb},
      {"gate", "judge a run against a baseline by a policy, for build servers",
       "gate BASELINE CANDIDATE --policy FILE [--junit FILE] [--summary FILE] [--explain]",
       "assay gate nightly-base latest --policy nightly.toml --junit gate.xml", gate_options,
       [] {
         return std::vector<std::string>{"baseline", "candidate"};
       },
       gate_verb},
      {"leaderboard", "rank models over stored runs, as far as the items can tell",
       "leaderboard [--suite PATTERN] [--history METRIC] [--markdown] [--csv FILE] [--html FILE] [--site "
       "FOLDER] "
       "| bundle [RUN] --out FOLDER | verify FOLDER",
       "assay leaderboard --suite hallucination --since 2026-11 --markdown", leaderboard_options,
       [] {
         return std::vector<std::string>{"action", "target"};
       },
       leaderboard_verb},
      {"cache", "look at stored answers: stats, explain ITEM, prune",
       "cache stats | explain ITEM [--run RUN] [--task T] | prune --older-than AGE | --model NAME | --unused",
       "assay cache explain q17 --run latest", cache_options,
       [] {
         return std::vector<std::string>{"action", "item"};
       },
       cache_verb},
      {"list", "list suites, tasks, metrics, models, plugins or runs",
       "list suites|tasks|metrics|models|plugins|runs", "assay list models", no_options,
       [] { return std::vector<std::string>{"what"}; }, list_verb},
      {"plugin", "look at plugins: list, info FILE, help ID",
       "plugin list | info FILE [--markdown] | help ID [--markdown]", "assay plugin help ngram",
       [] {
         po::options_description options("Options");
         options.add_options()("markdown", "info, help: as a page of documentation");
         return options;
       },
       [] {
         return std::vector<std::string>{"action", "target"};
       },
       plugin_verb},
      {"data", "look after data sets: list, get NAME, verify [NAME], path NAME",
       "data list | get NAME... | verify [NAME...] | path NAME", "assay data get wikimia/32", no_options,
       [] {
         return std::vector<std::string>{"action", "targets..."};
       },
       data_verb},
      {"doctor", "check plugins, data, database and machine, with remedies", "doctor", "assay doctor",
       no_options, [] { return std::vector<std::string>{}; }, doctor_verb},
      {"help", "explain a verb, or all of them", "help [VERB]", "assay help run", no_options,
       [] { return std::vector<std::string>{"verb"}; }, help_verb},
  };
  return kVerbs;
}

const Verb* find_verb(const std::string& name) {
  for (const Verb& verb : verbs()) {
    if (name == verb.name) return &verb;
  }
  return nullptr;
}

int report(const Globals& globals, const Error& error) {
  const int code = exit_code(error.code);
  if (globals.json) {
    const Json tree = {{"schema", "assay-error/1"}, {"error", error.text}, {"exit_code", code}};
    std::fprintf(stdout, "%s\n", canonical(tree).c_str());
  }
  std::fprintf(stderr, "%sassay:%s %s\n", globals.color_err ? "\x1b[31m" : "",
               globals.color_err ? "\x1b[0m" : "", error.text.c_str());
  return code;
}

Result<std::vector<std::pair<std::string, std::string>>> model_pairs(const po::variables_map& values) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& text : get<std::vector<std::string>>(values, "model")) {
    const std::size_t at = text.find('=');
    const std::string left = text.substr(0, at);
    const std::string right = at == std::string::npos ? text : text.substr(at + 1);
    if (left.empty() || right.empty()) {
      return Error{
          Code::kInvalidArgument,
          "--model '" + printable(text) + "': expected BASELINE=CANDIDATE, names of models of the two runs",
          "model"};
    }
    pairs.emplace_back(left, right);
  }
  return pairs;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

Result<void> put(const std::string& file, const std::string& bytes) {
  if (file != "-") return write_file(file, bytes);
  print(bytes);
  return {};
}

po::options_description no_options() {
  return po::options_description();
}

std::string verb_help(const Verb& verb) {
  std::ostringstream out;
  out << "assay " << verb.name << " - " << verb.summary << "\n\nusage: assay " << verb.usage
      << "\n\nexample:\n  " << verb.example << "\n";
  const po::options_description options = verb.options();
  if (!options.options().empty()) out << "\n" << options;
  out << "\nGlobal options: --db FILE, --json, --quiet, -v, --color auto|always|never, --plugin FILE, --data "
         "DIR, --offline"
         " (`assay help`)\n";
  return out.str();
}

std::string general_help() {
  std::ostringstream out;
  out << "assay - evaluation of language models with numbers that can be trusted\n\nusage: assay VERB "
         "[options]\n\n";
  for (const Verb& verb : verbs()) {
    std::string name = verb.name;
    name.resize(12, ' ');
    out << "  " << name << verb.summary << "\n";
  }
  out << "\nGlobal options:\n"
         "  --db FILE            the database (default: ASSAY_DB, or assay.db in this folder)\n"
         "  --data DIR           a mirror of the data sets (default: ASSAY_DATA)\n"
         "  --plugin FILE        a plugin library, before all others (repeatable)\n"
         "  --json               machine-readable result on standard output, nothing else there\n"
         "  --quiet              only the result\n"
         "  -v [ --verbose ]     more detail\n"
         "  --color WHEN         auto, always or never (NO_COLOR is honoured)\n"
         "  --offline            never use the network\n"
         "  --version            versions of the program and its libraries\n"
         "\nExit codes: 0 done; 1 a defect in assay; 2 usage; 3 data; 4 infrastructure (disk, plugin crash, "
         "endpoint);\n"
         "5 finished but incomplete; 10 an expectation or gate failed; 11 inconclusive; 12 not comparable; "
         "130/143 interrupted.\n"
         "\n`assay help VERB` explains a verb with an example.\n";
  return out.str();
}

}  // namespace assay::host::cli
