// Every Eval Ever 0.3.0: one aggregate file and one file of samples for each task, model and headline value.
#include "harness/interop/export/eee.hpp"

#include <cmath>

#include "assay/plugin.h"
#include "harness/base/hash.hpp"
#include "harness/base/json.hpp"
#include "harness/base/strings.hpp"
#include "harness/interop/export/file.hpp"
#include "harness/interop/export/text.hpp"

namespace assay::host::exporting {
namespace eee {
namespace {

constexpr double kConfidence = 0.95;  ///< of every stored interval

/// The form of a random UUID, from a hash: equal exports have equal names.
std::string uuid_of(const std::string& text) {
  Digest digest = sha256(text);
  digest[6] = static_cast<std::uint8_t>((digest[6] & 0x0FU) | 0x40U);
  digest[8] = static_cast<std::uint8_t>((digest[8] & 0x3FU) | 0x80U);
  const std::string all = hex(digest);
  return all.substr(0, 8) + "-" + all.substr(8, 4) + "-" + all.substr(12, 4) + "-" + all.substr(16, 4) + "-" +
         all.substr(20, 12);
}

OrderedJson number_or(double value, OrderedJson otherwise) {
  return std::isfinite(value) ? OrderedJson(value) : otherwise;
}

/// Rates and areas lie in [0, 1] whatever the range of the items' values.
bool is_rate(const AggregateLine& line) {
  return line.rule == ASSAY_RULE_AUROC || line.rule == ASSAY_RULE_PROPORTION;
}

OrderedJson metric_config(const Record& record, const AggregateLine& line) {
  // The statistics of a ranking are better when higher, whichever way the ranked value points.
  const bool lower = line.rule != ASSAY_RULE_AUROC && line.direction == ASSAY_LOWER_IS_BETTER;
  OrderedJson config = {{"metric_id", record.metric.name + "." + record.value.name},
                        {"metric_name", record.metric.name},
                        {"metric_kind", line.row.statistic},
                        {"lower_is_better", lower}};
  if (!record.value.doc.empty()) config["evaluation_description"] = record.value.doc;
  config["metric_unit"] = is_rate(line) ? "proportion" : record.value.unit;
  if (!is_rate(line) && record.value.unit.empty()) config.erase("metric_unit");
  const Result<Json> parameters = parse_json(record.metric.params_json, "parameters");
  if (parameters && parameters->is_object() && !parameters->empty()) {
    OrderedJson& scalars = config["metric_parameters"] = OrderedJson::object();
    for (const auto& [key, value] : parameters->items())
      scalars[key] = value.is_primitive() ? OrderedJson(value) : OrderedJson(canonical(value));
  }
  if (line.rule == ASSAY_RULE_PROPORTION) {
    config["score_type"] = "binary";
  } else {
    config["score_type"] = "continuous";
  }
  if (record.reported) {
    // The source says nothing of the range.
    config["min_score"] = nullptr;
    config["max_score"] = nullptr;
  } else if (is_rate(line)) {
    config["min_score"] = 0;
    config["max_score"] = 1;
  } else if (line.rule == ASSAY_RULE_MEAN || line.rule == ASSAY_RULE_CUSTOM) {
    config["min_score"] = number_or(record.value.min, "-Infinity");
    config["max_score"] = number_or(record.value.max, "Infinity");
  } else {
    // A ratio or an exponential leaves the range of its items.
    config["min_score"] = nullptr;
    config["max_score"] = nullptr;
  }
  OrderedJson& more = config["additional_details"] = OrderedJson::object();
  more["plugin"] = record.metric.plugin_id + " " + record.metric.plugin_version;
  more["direction"] = line.direction == ASSAY_NO_DIRECTION      ? "none"
                      : line.direction == ASSAY_LOWER_IS_BETTER ? "lower"
                                                                : "higher";
  if (record.metric.baseline) more["baseline"] = "a model-free rule: it does not look at the model's answers";
  return config;
}

OrderedJson score_details(const Record& record, const AggregateLine& line, const Samples& samples) {
  const AggregateRow& row = line.row;
  OrderedJson details = {{"score", row.estimate}};
  OrderedJson& texts = details["details"] = OrderedJson::object();
  for (int state = 0; state < 8; ++state) {
    if (row.states[state] != 0)
      texts[std::string("state.") + state_name(state)] = std::to_string(row.states[state]);
  }
  const std::pair<const char*, std::int64_t> counts[] = {
      {"n_total", row.n_total},           {"n_scored", row.n_scored},     {"n_missing", row.n_missing},
      {"n_non_finite", row.n_non_finite}, {"n_positive", row.n_positive}, {"n_negative", row.n_negative},
      {"clusters", row.clusters}};
  for (const auto& [name, count] : counts) {
    if (count >= 0) texts[name] = std::to_string(count);
  }
  if (samples.left_out != 0) texts["samples_left_out"] = std::to_string(samples.left_out);
  if (std::isfinite(row.worst)) texts["worst_case"] = number_text(row.worst);
  if (std::isfinite(row.best)) texts["best_case"] = number_text(row.best);
  if (!row.notes.empty()) texts["notes"] = row.notes;
  if (record.reported) texts["source"] = "reported by the imported log, not computed from rows";
  for (const ReportedRow* said : record.beside) {
    // Without a name of its own a split of the source is not told from a variant.
    if (said->split.empty() ? &line == record.lines.front() : said->split == row.variant)
      texts["reported." + said->metric] = said->text.empty() ? number_text(said->number) : said->text;
  }
  OrderedJson uncertainty = OrderedJson::object();
  if (std::isfinite(row.se)) uncertainty["standard_error"] = {{"value", row.se}, {"method", row.method}};
  if (!line.no_interval && std::isfinite(row.lo) && std::isfinite(row.hi)) {
    uncertainty["confidence_interval"] = {
        {"lower", row.lo}, {"upper", row.hi}, {"confidence_level", kConfidence}, {"method", row.method}};
  }
  if (!uncertainty.empty()) {
    if (row.n_scored >= 0) uncertainty["num_samples"] = row.n_scored;
    if (row.replicates > 0) uncertainty["num_bootstrap_samples"] = row.replicates;
    details["uncertainty"] = std::move(uncertainty);
  }
  return details;
}

OrderedJson result_of(const Task& task, const Record& record, const AggregateLine& line,
                      const Samples& samples) {
  const RecipeRow& recipe = record.of.recipe;
  OrderedJson result = {
      {"evaluation_result_id", record.result_id(line.row.variant, line.row.statistic)},
      {"evaluation_name", record.name},
      {"source_data",
       {{"dataset_name", recipe.name},
        {"source_type", "other"},
        {"additional_details",
         {{"task_plugin", recipe.task_id}, {"recipe_hash", recipe.hash}, {"data_hash", recipe.data_hash}}}}},
      {"evaluation_timestamp", std::to_string(epoch_seconds(task.run.run.started))},
      {"metric_config", metric_config(record, line)},
      {"score_details", score_details(record, line, samples)}};
  if (!line.row.variant.empty()) result["source_data"]["additional_details"]["variant"] = line.row.variant;
  if (!samples.settings.is_null()) {
    OrderedJson& config = result["generation_config"] = OrderedJson::object();
    if (samples.same_settings) {
      config["generation_args"] = samples.settings;
    } else {
      config["additional_details"] = {{"settings", "differ between the items"}};
    }
  }
  return result;
}

OrderedJson model_info(const Record& record) {
  OrderedJson details = {{"deployment_type", "unknown"},
                         {"model_availability", "unknown"},
                         {"fingerprint", record.of.configured.fingerprint},
                         {"expression", record.of.configured.expression}};
  OrderedJson info = {{"name", record.of.model}, {"id", record.model_id}};
  if (record.developer != "unknown") info["developer"] = record.developer;
  if (!record.of.configured.plugin_id.empty())
    info["inference_engine"] = {{"name", record.of.configured.plugin_id}};
  info["additional_details"] = std::move(details);
  return info;
}

OrderedJson aggregate(const Task& task, const Record& record, const Samples& samples,
                      const std::string& undefined) {
  const RunRow& run = task.run.run;
  const std::string ended = std::to_string(epoch_seconds(run.ended.empty() ? run.started : run.ended));
  const Result<Json> versions = parse_json(run.versions_json, "versions");
  const bool known =
      versions && versions->is_object() && versions->contains("assay") && (*versions)["assay"].is_string();
  OrderedJson library = {{"name", "assay"},
                         {"version", known ? (*versions)["assay"].get<std::string>() : "unknown"}};
  OrderedJson& more = library["additional_details"] = {{"run", run.uuid}, {"origin", run.origin}};
  if (!undefined.empty()) more["undefined_metrics"] = undefined;
  OrderedJson results = OrderedJson::array();
  for (const AggregateLine* line : record.lines) results.push_back(result_of(task, record, *line, samples));
  OrderedJson tree = {{"schema_version", "0.3.0"},
                      {"evaluation_id", record.evaluation_id},
                      {"evaluation_timestamp", std::to_string(epoch_seconds(run.started))},
                      {"retrieved_timestamp", ended},
                      {"source_metadata",
                       {{"source_name", run.suite_name},
                        {"source_type", "evaluation_run"},
                        {"source_organization_name", task.options.organisation},
                        {"evaluator_relationship", task.options.relationship}}},
                      {"eval_library", std::move(library)},
                      {"model_info", model_info(record)},
                      {"evaluation_results", std::move(results)}};
  if (samples.rows > 0) {
    tree["detailed_evaluation_results"] = {
        {"format", "jsonl"},
        {"file_path", "data/" + file_word(run.suite_name) + "/" + file_word(record.developer) + "/" +
                          file_word(record.of.model) + "/" + record.uuid + "_samples.jsonl"},
        {"hash_algorithm", "sha256"},
        {"checksum", samples.checksum},
        {"total_rows", samples.rows}};
  }
  return tree;
}

}  // namespace

bool Record::per_item() const {
  return value.rule != ASSAY_RULE_CUSTOM;
}

std::string Record::result_id(const std::string& variant, const std::string& statistic) const {
  std::string id = name + "." + metric.name;
  if (!variant.empty()) id += "@" + variant;
  // The first statistic of a variant is the metric itself; the others (TPR at an FPR) say their names.
  for (const AggregateLine* line : lines) {
    if (line->row.variant != variant) continue;
    if (!statistic.empty() && line->row.statistic != statistic) id += ":" + statistic;
    break;
  }
  return id;
}

Record record_of(const Task& task, const Selected& of, const MetricRow& metric, const ValueRow& value) {
  const RunRow& run = task.run.run;
  const std::size_t slash = of.model.find('/');
  std::string developer = task.options.developer;
  if (developer.empty())
    developer = slash == std::string::npos || slash == 0 ? "unknown" : of.model.substr(0, slash);
  const std::string short_name = slash == std::string::npos ? of.model : of.model.substr(slash + 1);
  return {.of = of,
          .metric = metric,
          .value = value,
          .uuid = uuid_of(run.uuid + '\x1F' + of.recipe.name + '\x1F' + of.recipe.hash + '\x1F' + of.model +
                          '\x1F' + metric.name + '\x1F' + value.name),
          .evaluation_id = run.suite_name + "/" + developer + "_" + short_name + "/" +
                           std::to_string(epoch_seconds(run.ended.empty() ? run.started : run.ended)),
          .model_id = developer + "/" + short_name,
          .developer = developer,
          .name = run.suite_name + "." + of.recipe.name,
          .lines = {},
          .beside = {}};
}

Result<void> write_pair(const Task& task, const Record& record, const std::string& undefined) {
  const std::string base = folder_of(task) + "/" + record.uuid;
  Samples samples;
  if (record.per_item()) {
    Result<Samples> written = write_samples(task.reader, record, base + "_samples.jsonl");
    if (!written) return std::move(written).error();
    samples = std::move(*written);
    if (samples.rows > 0) task.summary.files.push_back(base + "_samples.jsonl");
  }
  if (samples.left_out != 0) {
    task.summary.notes.push_back(record.result_id({}, {}) + ", model '" + record.of.model +
                                 "': " + std::to_string(samples.left_out) +
                                 " items have no score and are left out of the samples");
  }
  Result<std::unique_ptr<OutputFile>> file = OutputFile::open(base + ".json");
  if (!file) return std::move(file).error();
  const OrderedJson tree = aggregate(task, record, samples, undefined);
  const std::string text = tree.dump(2, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
  if (Result<void> written = (*file)->write(text); !written) return written;
  if (Result<void> saved = (*file)->save(); !saved) return saved;
  task.summary.files.push_back(base + ".json");
  task.summary.rows += samples.rows;
  return {};
}

}  // namespace eee

Result<void> export_eee(const Task& task) {
  using namespace eee;
  const RunRow& run = task.run.run;
  Result<std::vector<AggregateLine>> lines = task.reader.aggregates(run.id);
  if (!lines) return std::move(lines).error();
  Result<std::vector<ReportedRow>> reported = task.reader.reported(run.id);
  if (!reported) return std::move(reported).error();
  std::int64_t undefined_count = 0;
  for (const Selected& one : task.selected) {
    std::string undefined;
    bool computed = false;
    for (const AggregateLine& line : *lines) {
      if (line.row.evaluation != one.row.id || !line.headline || std::isfinite(line.row.estimate)) continue;
      undefined += (undefined.empty() ? "" : "; ") + line.metric +
                   (line.row.variant.empty() ? "" : "@" + line.row.variant) + " (" + line.row.statistic +
                   "): " + (line.row.undefined_reason.empty() ? "undefined" : line.row.undefined_reason);
      ++undefined_count;
    }
    Result<std::vector<MetricRow>> metrics = task.reader.metrics(one.recipe.id);
    if (!metrics) return std::move(metrics).error();
    for (const MetricRow& metric : *metrics) {
      Result<std::vector<ValueRow>> values = task.reader.values(metric.id);
      if (!values) return std::move(values).error();
      for (const ValueRow& value : *values) {
        if (!value.headline) continue;
        Record record = record_of(task, one, metric, value);
        for (const AggregateLine& line : *lines) {
          if (line.row.evaluation == one.row.id && line.row.value == value.id &&
              std::isfinite(line.row.estimate))
            record.lines.push_back(&line);
        }
        if (record.lines.empty()) continue;
        for (const ReportedRow& said : *reported) {
          if (said.evaluation == one.row.id && said.value == value.id) record.beside.push_back(&said);
        }
        computed = true;
        if (Result<void> done = write_pair(task, record, undefined); !done) return done;
      }
    }
    if (computed) continue;
    if (Result<void> done = write_reported(task, one, *reported); !done) return done;
  }
  if (undefined_count != 0) {
    task.summary.notes.push_back(
        std::to_string(undefined_count) +
        " numbers are undefined and no results; undefined_metrics of the files names them");
  }
  if (task.summary.files.empty())
    return nothing(task, "no headline number of the chosen tasks and models is defined");
  return {};
}

}  // namespace assay::host::exporting
