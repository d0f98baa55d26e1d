// What every verb shares: exit codes, global options, messages, the table of verbs.
#pragma once

#include <boost/program_options.hpp>
#include <functional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/run/session.hpp"

namespace assay::host::cli {

namespace po = boost::program_options;

/// Stable exit codes (`assay help`).
enum Exit : int {
  kDone = 0,
  kDefect = 1,
  kUsage = 2,
  kData = 3,
  kInfrastructure = 4,
  kIncomplete = 5,
  kRegression = 10,
  kInconclusive = 11,
  kNotComparable = 12,
  kInterrupted = 130,
  kTerminated = 143,
};
int exit_code(Code code);

/// Options that every verb takes.
struct Globals {
  std::string database;  ///< --db, ASSAY_DB, assay.db
  bool json = false;     ///< machine output on stdout, nothing else there
  bool quiet = false;
  bool verbose = false;
  bool color_out = false, color_err = false;
  std::vector<std::string> plugin_files;
  std::string data_dir;
  bool offline = false;

  [[nodiscard]] RegistryOptions registry() const;
  [[nodiscard]] DataOptions data() const;
};

/// One verb: how it is described and what it does.
struct Verb {
  const char* name;
  const char* summary;  ///< one line
  const char* usage;    ///< after "assay "
  const char* example;  ///< a worked example
  po::options_description (*options)();
  std::vector<std::string> (*positionals)();  ///< names of positional arguments; a final "..." takes the rest
  int (*run)(const Globals& globals, const po::variables_map& values);
};

const std::vector<Verb>& verbs();
const Verb* find_verb(const std::string& name);

/// Prints "assay: sentence" to stderr (or {"error": ...} with --json) and gives the exit code.
int report(const Globals& globals, const Error& error);
/// Prints to stdout.
void print(const std::string& text);
/// Writes bytes to a file, or to stdout when its name is "-". Prints nothing else.
Result<void> put(const std::string& file, const std::string& bytes);
/// The help page of one verb.
std::string verb_help(const Verb& verb);
std::string general_help();

/// The value of an option or its absence.
template <class T>
T get(const po::variables_map& values, const char* name, T otherwise = T()) {
  return values.count(name) != 0 ? values[name].as<T>() : otherwise;
}

/// The values of --model A=B: names of a baseline's and a candidate's model; "A" alone stands for A=A.
/// kInvalidArgument.
Result<std::vector<std::pair<std::string, std::string>>> model_pairs(const po::variables_map& values);

// The verbs, one file each.
po::options_description run_options();
po::options_description plan_options();
po::options_description resume_options();
po::options_description import_options();
po::options_description export_options();
po::options_description report_options();
po::options_description leaderboard_options();
po::options_description score_options();
po::options_description show_options();
po::options_description compare_options();
po::options_description gate_options();
po::options_description cache_options();
po::options_description no_options();
int run_verb(const Globals& globals, const po::variables_map& values);
int import_verb(const Globals& globals, const po::variables_map& values);
int resume_verb(const Globals& globals, const po::variables_map& values);
int plan_verb(const Globals& globals, const po::variables_map& values);
int compare_verb(const Globals& globals, const po::variables_map& values);
int gate_verb(const Globals& globals, const po::variables_map& values);
int cache_verb(const Globals& globals, const po::variables_map& values);
int leaderboard_verb(const Globals& globals, const po::variables_map& values);
int list_verb(const Globals& globals, const po::variables_map& values);
int export_verb(const Globals& globals, const po::variables_map& values);
int report_verb(const Globals& globals, const po::variables_map& values);
int score_verb(const Globals& globals, const po::variables_map& values);
int show_verb(const Globals& globals, const po::variables_map& values);
int help_verb(const Globals& globals, const po::variables_map& values);
int doctor_verb(const Globals& globals, const po::variables_map& values);
int plugin_verb(const Globals& globals, const po::variables_map& values);
int data_verb(const Globals& globals, const po::variables_map& values);

}  // namespace assay::host::cli
