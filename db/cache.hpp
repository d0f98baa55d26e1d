// The table `response` seen as a cache: how much is stored, what a key is made of, what lies near it, and
// making answers unservable. Plain values; the questions are members of Reader and Store.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "db/store.hpp"

namespace assay::host {

/// A number of stored responses, and how large they are.
struct CacheCount {
  std::int64_t servable = 0;              ///< answers that a lookup finds
  std::int64_t records = 0;               ///< kept, but never served: failed, replaced, pruned
  std::int64_t failed = 0;                ///< of the records: error or timeout
  std::int64_t bytes = 0;                 ///< of requests, answers and token statistics
  std::int64_t token_bytes = 0;           ///< of the token statistics alone
  std::int64_t oldest = -1, newest = -1;  ///< Unix seconds; -1: there is none
};

struct CacheStats {
  struct OfModel {
    std::string name, fingerprint, plugin_id;
    CacheCount count;
  };
  CacheCount all;
  std::vector<OfModel> models;                            ///< most responses first
  std::vector<std::pair<std::string, CacheCount>> kinds;  ///< "generate", ...
  std::int64_t uses = 0;                                  ///< places where a result points to a response
  std::int64_t served = 0;  ///< of them taken from the database when the item was run
};

/// A stored response with everything that its key is made of, and where it was met.
struct KeyedResponse {
  RowId response = 0;
  std::string key;                           ///< 64 hex digits
  std::string model, fingerprint, identity;  ///< `identity`: JSON, the parts of the fingerprint
  std::string request;                       ///< canonical request as JSON text
  int kind = 0, state = 0;                   ///< enum assay_request_kind, assay_state
  bool servable = false;
  std::int64_t created = 0;  ///< Unix seconds
  // Where it was met; empty for a response that was found by its model alone.
  std::string run_uuid, recipe, item_id, variant, name, role;
  RowId run = 0, result = 0;
  std::uint32_t repeat = 0;
  bool cached = false;  ///< that result took it from the database
};

/// Which responses to prune; the conditions apply together.
struct PruneFilter {
  std::int64_t created_before = 0;  ///< Unix seconds; 0: any age
  std::vector<RowId> models;        ///< empty: any
  bool unused = false;              ///< only those no result points to
};

/// What pruning did, or would do.
struct PruneOutcome {
  std::int64_t deleted = 0;        ///< no result pointed to them
  std::int64_t deleted_bytes = 0;  ///< their requests, answers and token statistics
  std::int64_t retired = 0;        ///< results point to them: kept as record, no longer served
  std::int64_t records = 0;        ///< results point to them, and they were not served before either
};

}  // namespace assay::host
