// `assay resume [RUN]`: continues a run that was interrupted.
#include "harness/cli/common.hpp"
#include "harness/cli/run_session.hpp"
#include "harness/run/continuation.hpp"

namespace assay::host::cli {
namespace {

// Without a name: the newest run that is not finished.
Result<RunSummary> run_to_resume(Reader& reader, const std::string& name) {
  if (!name.empty()) return reader.find_run(name);
  Result<std::vector<RunSummary>> runs = reader.runs();
  if (!runs) return std::move(runs).error();
  for (auto run = runs->rbegin(); run != runs->rend(); ++run) {
    if (run->run.status == "interrupted" || run->run.status == "failed") return *run;
  }
  return Error{Code::kNotFound,
               runs->empty() ? "the database holds no run yet"
                             : "every run of the database is finished; name one to score and print it again",
               {}};
}

}  // namespace

po::options_description resume_options() {
  po::options_description options("Options");
  options.add_options()("retry-errors", "also run items again that ended in state error or timeout")(
      "durable", "commit to the disk at every step (synchronous=FULL)");
  return options;
}

int resume_verb(const Globals& globals, const po::variables_map& values) {
  Result<std::unique_ptr<Reader>> reader = Reader::open(globals.database);
  if (!reader) return report(globals, reader.error());
  Result<RunSummary> run = run_to_resume(**reader, get<std::string>(values, "run"));
  if (!run) return report(globals, run.error());
  Result<Continuation> continuation = continuation_of(run->run);
  if (!continuation) return report(globals, continuation.error());
  SessionOptions options = continuation->session;
  if (!globals.plugin_files.empty()) options.registry = globals.registry();
  if (!globals.data_dir.empty()) options.data.mirror = globals.data_dir;
  options.data.offline = globals.offline;
  Result<Session> session = prepare(options);
  if (!session) return report(globals, session.error());
  ExecuteOptions execution;
  execution.store.durable = values.count("durable") != 0;
  execution.control.retry = continuation->control.retry;
  execution.control.cache = continuation->control.cache;
  execution.control.threads = continuation->control.threads;
  execution.control.keep_all_statistics = continuation->control.keep_all_statistics;
  execution.strict = options.plan.strict;
  execution.resume = run->run.id;
  execution.retry_errors = values.count("retry-errors") != 0;
  reader->reset();
  return run_session(globals, *session, execution);
}

}  // namespace assay::host::cli
