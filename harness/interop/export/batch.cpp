// The generation requests of a run as input of an OpenAI-compatible batch endpoint.
#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_set>

#include "assay/plugin.h"
#include "harness/base/hash.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/export/batch_parts.hpp"
#include "harness/interop/export/formats.hpp"
#include "harness/interop/export/item_texts.hpp"
#include "harness/interop/export/text.hpp"

namespace assay::host::exporting {
namespace {

constexpr std::size_t kIdBytesMax = 512;  ///< of a custom_id

/// What could not be written as it was asked.
struct Counts {
  std::int64_t other_kinds = 0, other_models = 0, dropped_settings = 0, shortened = 0, no_result = 0,
               stops = 0;
};

class Batch {
 public:
  explicit Batch(const Task& task) : task_(task) {}

  Result<void> run() {
    if (task_.options.out == "-") {
      for (const Selected& one : task_.selected) {
        if (one.model == task_.selected.front().model) continue;
        return Error{
            Code::kInvalidArgument,
            "a batch file holds one model and the run has several: --out must name a folder, or --model one "
            "of them",
            "out"};
      }
    }
    // One model's files after the other's: that of every task comes before the next model is begun.
    std::vector<std::string> models;
    for (const Selected& one : task_.selected) {
      if (std::find(models.begin(), models.end(), one.model) == models.end()) models.push_back(one.model);
    }
    for (const std::string& model : models) {
      Parts parts(task_, model);
      used_.clear();
      for (const Selected& one : task_.selected) {
        if (one.model != model) continue;
        if (Result<void> done = evaluation(one, parts); !done)
          return std::move(done).error().within("task '" + one.recipe.name + "'");
      }
      if (Result<void> done = parts.finish(); !done) return done;
    }
    say();
    if (task_.summary.rows != 0) return {};
    if (!task_.options.only_missing) return nothing(task_, "it asked nothing for a generated text");
    return nothing(task_, counts_.no_result == 0
                              ? "every generation has an answer"
                              : "every item with a result has its answers; " +
                                    std::to_string(counts_.no_result) +
                                    " items have no result, and what they would ask is not known before "
                                    "`assay resume` runs them");
  }

 private:
  Result<void> evaluation(const Selected& one, Parts& parts) {
    const std::int64_t open = one.row.planned_items - one.row.results();
    if (one.row.planned_items >= 0 && open > 0) counts_.no_result += open;
    return task_.reader.each_whole(one.row.id, {}, true, [&](const WholeItem& item) -> Result<bool> {
      std::size_t generations = 0;
      for (const WholeResponse& response : item.responses)
        if (own(response, one.row.model) && response.kind == ASSAY_REQUEST_GENERATE) ++generations;
      for (const WholeResponse& response : item.responses) {
        if (!own(response, one.row.model)) {
          ++counts_.other_models;
        } else if (response.kind != ASSAY_REQUEST_GENERATE) {
          ++counts_.other_kinds;
        } else if (!task_.options.only_missing || !servable(response.state)) {
          Result<void> done = line(one, item, response, generations > 1, parts);
          if (!done) return std::move(done).error();
        }
      }
      return true;
    });
  }

  Result<void> line(const Selected& one, const WholeItem& item, const WholeResponse& response, bool several,
                    Parts& parts) {
    Result<GenerateRequest> read = read_generate(response.request);
    if (!read) return std::move(read).error().within("item '" + printable(item.line.item_id) + "'");
    const GenerateRequest& request = *read;
    const bool chat = task_.options.chat || !request.messages.empty();
    line_ = "{\"custom_id\":";
    append_json(custom_id(one, item.line, several ? response.name : std::string()), line_);
    line_ += chat ? ",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"model\":"
                  : ",\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":{\"model\":";
    append_json(task_.options.endpoint_model.empty() ? one.model : task_.options.endpoint_model, line_);
    if (chat) {
      append_messages(request);
    } else {
      line_ += ",\"prompt\":";
      append_json(request.prompt, line_);
    }
    append_settings(request);
    line_ += "}}\n";
    ++task_.summary.rows;
    return parts.write(line_);
  }

  void append_messages(const GenerateRequest& request) {
    line_ += ",\"messages\":[";
    bool first = true;
    const auto message = [&](const std::string& role, const std::string& content) {
      line_ += first ? "{\"role\":" : ",{\"role\":";
      first = false;
      append_json(role, line_);
      line_ += ",\"content\":";
      append_json(content, line_);
      line_ += '}';
    };
    for (const auto& [role, content] : request.messages) message(role, content);
    if (first) message("user", request.prompt);
    line_ += ']';
  }

  void append_settings(const GenerateRequest& request) {
    if (!std::isnan(request.temperature)) {
      line_ += ",\"temperature\":";
      append_json(request.temperature, line_);
    }
    if (request.max_tokens > 0) {
      line_ += ",\"max_tokens\":";
      append_json(request.max_tokens, line_);
    }
    if (request.top_p > 0) {
      line_ += ",\"top_p\":";
      append_json(request.top_p, line_);
    }
    if (request.n > 1) {
      line_ += ",\"n\":";
      append_json(request.n, line_);
    }
    if (!request.stop.empty()) {
      line_ += ",\"stop\":[";
      for (std::size_t i = 0; i < request.stop.size(); ++i) {
        if (i != 0) line_ += ',';
        append_json(request.stop[i], line_);
      }
      line_ += ']';
      if (request.stop.size() > 4) ++counts_.stops;
    }
    const std::optional<std::int64_t> seed = parse_int(request.seed);
    if (seed) {
      line_ += ",\"seed\":";
      append_json(*seed, line_);
    }
    if (request.top_k > 0 || request.min_p > 0 || (!seed && !request.seed.empty()))
      ++counts_.dropped_settings;
  }

  /// assay:<task>:<item>:<repeat>. What tells requests apart that these three do not (the variant, the name
  /// of one of several requests) is added to the item's part; an id that is too long or taken becomes its
  /// hash.
  std::string custom_id(const Selected& one, const ItemLine& item, const std::string& request) {
    std::string name = item.item_id;
    if (!item.variant.empty()) name += "@" + item.variant;
    if (!request.empty()) name += "#" + request;
    std::string id = batch_id(one.recipe.name, name, item.repeat);
    if (id.size() > kIdBytesMax || used_.contains(fast_key(id))) {
      ++counts_.shortened;
      const std::string unique = sha256_hex(one.recipe.hash + '\x1F' + name);
      id = batch_id(one.recipe.name, "sha256-" + unique, item.repeat);
      if (id.size() > kIdBytesMax)
        id = batch_id(sha256_hex(one.recipe.name), "sha256-" + unique, item.repeat);
    }
    used_.insert(fast_key(id));
    return id;
  }

  void say() {
    const auto note = [&](std::int64_t count, const std::string& sentence) {
      if (count != 0) task_.summary.notes.push_back(std::to_string(count) + " " + sentence);
    };
    note(counts_.other_kinds, "requests ask for no text (scores, classes, embeddings) and are left out");
    note(counts_.other_models, "requests to judges and reference models are left out");
    note(counts_.dropped_settings,
         "requests lose top_k, min_p or a seed beyond 63 bits, which the endpoint does not know");
    note(counts_.stops, "requests have more than 4 stop texts, which some endpoints refuse");
    note(counts_.shortened,
         "requests have a hash in place of the item's id, because the id is too long or not unique");
    note(counts_.no_result,
         "planned items have no result and were never asked: their requests are not known and not in the "
         "files "
         "(`assay resume` asks them)");
  }

  const Task& task_;
  Counts counts_;
  std::unordered_set<Key128, KeyHash> used_;  ///< ids of the model at hand
  std::string line_;
};

}  // namespace

Result<void> export_batch(const Task& task) {
  if (!task.options.requests.empty()) return export_unanswered(task);
  return Batch(task).run();
}

}  // namespace assay::host::exporting
