// What a run is, so that it can be continued: the options that begin it again, and the parts that must be the
// same for an item of this run to have meant the same thing when the run began.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "db/queries.hpp"
#include "harness/run/session.hpp"

namespace assay::host {

/// Names and digests of everything that decides what is asked and how it is scored: recipes (data, prompts,
/// parameters, metrics), model fingerprints, plugin libraries, seed, repeats, selection. Models must be
/// loaded.
Json identity_parts(const Session& session, const RunControl& control);

/// Differences between two sets of parts as phrases ("the fingerprint of model 'm'"), empty when equal.
std::vector<std::string> differing_parts(const Json& recorded, const Json& now);

/// What RunRow::options_json holds: the options of the session, the retry policy, the use of the cache, the
/// parts.
std::string options_json(const SessionOptions& options, const RunControl& control, const Json& parts);

/// A stored run's options, to begin it again.
struct Continuation {
  SessionOptions session;  ///< with the suite's text as it was
  RunControl control;      ///< retry policy and use of the cache only
  Json parts;
};
/// kData when the run was imported, or was written by a program that did not record its options.
Result<Continuation> continuation_of(const RunRow& run);

/// The newest unfinished run with this identity and label that no living process works on; 0: none. `*alive`
/// gets the newest one that is being worked on, or 0.
Result<RowId> unfinished_run(Reader& reader, const std::string& identity, const std::string& label,
                             RowId* alive);

}  // namespace assay::host
