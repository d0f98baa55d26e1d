// What an item asked and what the evaluated model answered, as texts: read from the stored JSON of item,
// requests and answers.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "db/queries.hpp"

namespace assay::host::exporting {

struct Generated {
  std::string name;                  ///< of the request
  std::vector<std::string> samples;  ///< its texts
};

struct ItemTexts {
  std::string input;   ///< the item's text; without one the prompt, or the last message of the user
  std::string prompt;  ///< the first request's prompt; empty when it has messages
  std::vector<std::string> targets;  ///< accepted answers; without any the choices that are right
  std::vector<std::string> choices;
  std::vector<Generated> outputs;  ///< requests that were answered with texts, in their order
  std::string error;               ///< of the first request that failed, or the result's own message
  bool answered = false;           ///< some request has an answer
  bool cached = false;             ///< every answer was in the database before
  std::int64_t tokens_in = 0, tokens_out = 0;  ///< 0: unknown
  std::int64_t latency_ns = 0;                 ///< 0: unknown
};

/// True for a request to the evaluated model in its own role; false for judges and references, also when the
/// same model plays them.
inline bool own(const WholeResponse& response, RowId model) {
  return response.model == model && (response.role.empty() || response.role == "target");
}

/// Reuses its parser and the memory of its answer. One thread.
class ItemTextReader {
 public:
  ItemTextReader();
  ~ItemTextReader();
  /// Only requests that are own() are looked at. Valid until the next call.
  /// kData naming the item when the stored JSON is damaged.
  Result<const ItemTexts*> read(const WholeItem& item, RowId model);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A stored request as the settings of a generation; for batch input and for the record of what was asked.
struct GenerateRequest {
  std::string prompt;
  std::vector<std::pair<std::string, std::string>> messages;  ///< role, content
  std::vector<std::string> stop;
  std::int64_t max_tokens = 0, n = 1, top_k = 0;                  ///< 0: the model's default
  double temperature = std::numeric_limits<double>::quiet_NaN();  ///< NaN: the imported log does not say it
  double top_p = 0, min_p = 0;                                    ///< 0: not set
  std::string seed;                                               ///< decimal, empty: none
};
Result<GenerateRequest> read_generate(std::string_view request_json);

}  // namespace assay::host::exporting
