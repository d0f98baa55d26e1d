// What the host knows of a plugin without loading it: a plain copy of its descriptor, as the scan wrote it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "assay/plugin.h"
#include "harness/base/json.hpp"

namespace assay::host {

struct ParamSpec {
  std::string key, doc, unit, replacement;
  int type = ASSAY_PARAM_STRING;  ///< enum assay_param_type
  std::uint32_t flags = 0;        ///< ASSAY_PARAM_*
  std::string default_json;       ///< JSON text; empty: no default
  double min = std::numeric_limits<double>::quiet_NaN();
  double max = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::string> choices;

  [[nodiscard]] bool has(std::uint32_t flag) const { return (flags & flag) != 0; }
};

struct SlotSpec {
  std::string key, role, same_tokenizer_as, doc;
  std::uint64_t requires_caps = 0;
  std::uint32_t min_count = 1, max_count = 1;  ///< max_count 0: no limit
};

struct ValueSpec {
  std::string name, doc, unit, denominator, note;
  int rule = ASSAY_RULE_MEAN;  ///< enum assay_rule
  int direction = ASSAY_HIGHER_IS_BETTER;
  std::uint32_t flags = 0;  ///< ASSAY_VALUE_*
  double min = std::numeric_limits<double>::quiet_NaN();
  double max = std::numeric_limits<double>::quiet_NaN();

  [[nodiscard]] bool headline() const { return (flags & ASSAY_VALUE_HEADLINE) != 0; }
  [[nodiscard]] bool custom() const { return rule == ASSAY_RULE_CUSTOM; }
};

struct PluginSpec {
  int kind = 0;  ///< enum assay_kind
  std::string id, version, title, doc, licence;
  int concurrency = ASSAY_CONCURRENCY_SERIAL;
  std::uint32_t flags = 0;
  std::uint64_t provides = 0, requires_caps = 0;
  std::uint32_t max_batch = 0, preferred_batch = 0;
  std::vector<ParamSpec> params;
  std::vector<SlotSpec> slots;
  std::vector<ValueSpec> values;

  [[nodiscard]] bool has(std::uint32_t flag) const { return (flags & flag) != 0; }
  /// "ngram" for "assay.ngram".
  [[nodiscard]] std::string short_name() const { return id.substr(id.rfind('.') + 1); }
};

/// "model", "task", "metric".
const char* kind_name(int kind);
/// "generate, logprob, ..." for a mask of ASSAY_CAP_* bits.
std::string capability_names(std::uint64_t caps);

/// Reads and checks a live descriptor: ids, documentation, defaults within bounds, exactly one headline ...
/// DESCRIPTOR_INVALID becomes an Error naming what is wrong.
Result<PluginSpec> read_descriptor(const assay_descriptor* raw);
Json to_json(const PluginSpec& spec);
Result<PluginSpec> spec_from_json(const Json& tree);

}  // namespace assay::host
