#include "reports/reported.hpp"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/base/strings.hpp"
#include "reports/table.hpp"
#include "reports/text_table.hpp"

namespace assay::host {
namespace {

const AggregateLine* computed(const ReportedRow& row, const std::vector<AggregateLine>& lines) {
  if (row.value == 0) return nullptr;
  for (const AggregateLine& line : lines) {
    const bool same = line.row.value == row.value && line.row.evaluation == row.evaluation;
    const bool mean = line.row.statistic.find('@') == std::string::npos;
    if (same && mean && (row.split.empty() || line.row.variant == row.split)) return &line;
  }
  return nullptr;
}

}  // namespace

std::string reported_table(const std::vector<ReportedRow>& rows, const std::vector<AggregateLine>& lines,
                           bool color, std::size_t rows_max) {
  TextTable table;
  table.column("reported by the log");
  table.column("task");
  table.column("statistic");
  table.column("split");
  table.column("reported", TextTable::Align::kRight);
  table.column("computed from the rows", TextTable::Align::kRight);
  for (std::size_t i = 0; i < rows.size() && (rows_max == 0 || i < rows_max); ++i) {
    const ReportedRow& row = rows[i];
    const AggregateLine* ours = computed(row, lines);
    table.row({printable(row.metric, 60), printable(row.task, 40), printable(row.statistic, 40), row.split,
               std::isfinite(row.number) ? score_text(row.number) : printable(row.text, 40),
               ours == nullptr ? std::string() : score_text(ours->row.estimate)});
  }
  std::string text = table.text(0, color);
  if (rows_max != 0 && rows.size() > rows_max)
    text += fmt::format("... {} more (-v shows all)\n", rows.size() - rows_max);
  return text;
}

Json reported_json(const std::vector<ReportedRow>& rows, const std::vector<AggregateLine>& lines) {
  const auto number = [](double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); };
  Json list = Json::array();
  for (const ReportedRow& row : rows) {
    const AggregateLine* ours = computed(row, lines);
    list.push_back({{"task", row.task},
                    {"metric", row.metric},
                    {"statistic", row.statistic},
                    {"split", row.split},
                    {"number", number(row.number)},
                    {"text", row.text},
                    {"n", row.n < 0 ? Json(nullptr) : Json(row.n)},
                    {"computed", ours == nullptr ? Json(nullptr) : number(ours->row.estimate)}});
  }
  return list;
}

}  // namespace assay::host
